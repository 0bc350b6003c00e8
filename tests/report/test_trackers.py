"""Trackers: what a run sends to MLflow and W&B, trials nested in their sweep; a tracker that fails ends no run."""

from __future__ import annotations

import importlib.machinery
import json
import shutil
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from omegaconf import OmegaConf

from barwise.console.arguments import compose
from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment.recipe import trackers
from barwise.report.trackers.mlflow import _PARENT, MLflow
from barwise.report.trackers.tensorboard import TensorBoard
from barwise.report.trackers.wandb import WandB
from barwise.runs.directory import RunDirectory


class Store:
    """What MLflow's client is asked, kept by run."""

    experiments: ClassVar[dict[str, str]] = {}
    runs: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self, tracking_uri: str) -> None:
        self.uri = tracking_uri

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name: str, artifact_location: str | None = None) -> str:
        self.experiments[name] = "7"
        return "7"

    def create_run(self, experiment: str, tags: dict[str, str]) -> Any:
        name = f"run-{len(self.runs)}"
        self.runs[name] = {"tags": dict(tags), "params": {}, "metrics": {}, "files": [], "status": "RUNNING"}
        return SimpleNamespace(info=SimpleNamespace(run_id=name))

    def log_batch(self, run: str, metrics: Any = (), params: Any = ()) -> None:
        for one in params:
            self.runs[run]["params"][one.key] = one.value
        for one in metrics:
            self.runs[run]["metrics"].setdefault(one.key, []).append((one.step, one.value))

    def set_tag(self, run: str, key: str, value: str) -> None:
        self.runs[run]["tags"][key] = value

    def log_artifact(self, run: str, path: str, folder: str = "") -> None:
        assert Path(path).is_file()
        self.runs[run]["files"].append(f"{folder}/{Path(path).name}".lstrip("/"))

    def set_terminated(self, run: str, status: str = "FINISHED") -> None:
        self.runs[run]["status"] = status


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> type[Store]:
    Store.experiments, Store.runs = {}, {}

    def param(key: str, value: str) -> Any:
        return SimpleNamespace(key=key, value=value)

    def metric(key: str, value: float, when: int, step: int) -> Any:
        return SimpleNamespace(key=key, value=value, step=step)

    module(monkeypatch, "mlflow", MlflowClient=Store)
    module(monkeypatch, "mlflow.entities", Param=param, Metric=metric)
    return Store


@pytest.fixture
def run(smoke, tmp_path: Path) -> Path:
    folder = tmp_path / "outputs" / "sweeps" / "mine" / "3"
    shutil.copytree(smoke("strategy=ridge"), folder)
    (folder / "report.html").write_text("<title>page</title>")  # a small run draws none
    return folder


def told(listener: Any, folder: Path, status: str = "done") -> None:
    """The events of a run, as `run()` tells them."""
    metrics = json.loads((folder / "metrics.json").read_text())
    manifest = json.loads((folder / "run.json").read_text()) | {"status": status}
    listener.started(folder, manifest)
    listener.scalar("fold-0/train_loss", 0.5, 0)
    listener.scalar("fold-0/train_loss", 0.4, 1)
    if status == "done":
        listener.finished(metrics, np.linspace(1, 2, 1200))
    listener.ended(folder, manifest)


def test_mlflow_gets_all_of_a_trial_nested_in_its_sweep(store, run: Path) -> None:
    told(MLflow().listener(RunDirectory(run), run.parents[2], False), run)
    parent, trial = store.runs.values()
    assert parent["tags"]["mlflow.runName"] == "mine" and trial["tags"]["mlflow.parentRunId"] == "run-0"
    assert trial["params"]["strategy"] == "ridge" and trial["params"]["seed"] == "0"
    assert trial["metrics"]["fold-0/train_loss"] == [(0, 0.5), (1, 0.4)]
    sharpe = json.loads((run / "metrics.json").read_text())["sharpe"]
    assert trial["metrics"]["metrics/sharpe"] == [(0, sharpe)] and trial["metrics"]["outcome/sharpe"] == [(0, sharpe)]
    assert trial["tags"]["verdict"] == json.loads((run / "verdict.json").read_text())["sentence"]
    assert {"figures/equity.png", "metrics.json", "report.html", "config.yaml"} <= set(trial["files"])
    assert trial["status"] == "FINISHED" and 300 < len(trial["metrics"]["backtest/equity"]) < 700
    (run.parent / "4").mkdir()
    shutil.copytree(run, run.parent / "5")
    told(MLflow().listener(RunDirectory(run.parent / "5"), run.parents[2], False), run.parent / "5")
    assert len(store.runs) == 3 and store.runs["run-2"]["tags"]["mlflow.parentRunId"] == "run-0"
    assert (run.parent / _PARENT).read_text() == "run-0"


def test_a_run_that_failed_says_so_and_keeps_what_there_is(store, run: Path) -> None:
    told(MLflow().listener(RunDirectory(run), run.parents[2], True), run, "failed")
    (only,) = store.runs.values()
    assert only["status"] == "FAILED" and "mlflow.parentRunId" not in only["tags"] and "run.json" in only["files"]


def test_a_tracker_that_fails_is_a_warning(store, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def full(self: Any, name: str, **_: Any) -> None:
        calls.append(name)
        raise OSError("database or disk is full")

    monkeypatch.setattr(Store, "log_batch", full)
    out = RunDirectory(run)
    out.start()
    told(MLflow().listener(out, run.parents[2], True), run)
    assert len(calls) == 1  # nothing more is sent
    (warning,) = out.manifest["warnings"]
    assert warning == "tracking=mlflow: stopped, the run goes on: OSError: database or disk is full"


def test_wandb_gets_all_of_a_trial_grouped_by_its_sweep(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {"log": [], "files": [], "summary": {}}

    class Run(SimpleNamespace):
        id = "x1"
        summary = found["summary"]

        def define_metric(self, *_: Any, **__: Any) -> None:
            pass

        def log(self, values: dict[str, Any]) -> None:
            found["log"].append(values)

        def log_artifact(self, artifact: Any) -> None:
            found["artifact"] = artifact

        def finish(self, exit_code: int) -> None:
            found["code"] = exit_code

    class Artifact:
        def __init__(self, name: str, type: str) -> None:
            pass

        def add_file(self, path: str, name: str) -> None:
            found["files"].append(name)

    def init(**given: Any) -> Run:
        found["init"] = given
        return Run()

    module(monkeypatch, "wandb", init=init, Settings=lambda **_: None, Image=lambda x: x.shape, Artifact=Artifact)
    told(WandB().listener(RunDirectory(run), run.parents[2], False), run)
    assert found["init"]["mode"] == "offline" and found["init"]["group"] == "mine"
    assert found["init"]["config"]["strategy"] == "ridge" and found["init"]["dir"] == str(run.parents[2])
    assert {"fold-0/train_loss": 0.4, "fold-0/step": 1} in found["log"]
    assert any("figures/equity" in one for one in found["log"])
    assert found["summary"]["verdict"] == json.loads((run / "verdict.json").read_text())["sentence"]
    assert "metrics.json" in found["files"] and found["code"] == 0


def test_what_is_not_installed_or_unknown_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barwise.report.trackers.base.find_spec", lambda name: None)
    with pytest.raises(Exception, match=r"pip install 'barwise\[mlflow\]'") as raised:
        trackers(compose(["tracking=mlflow"]))
    assert one_line(raised.value)[0] == 2
    with pytest.raises(Exception, match="one of offline, online"):
        trackers(compose(["tracking=wandb", "tracking.wandb.mode=cloud"]))


def test_several_trackers_none_and_the_one_of_older_runs(store) -> None:
    several = trackers(compose(["tracking=[tensorboard,mlflow]"]))
    assert [type(one) for one in several] == [TensorBoard, MLflow]
    assert trackers(compose(["tracking=none"])) == []
    older = OmegaConf.create({k: v for k, v in compose([]).items() if k != "tracking"})
    assert [type(one) for one in trackers(older)] == [TensorBoard]
    older["tracking"] = "mlflow"
    with pytest.raises(ConfigError, match="must name trackers"):
        trackers(older)
