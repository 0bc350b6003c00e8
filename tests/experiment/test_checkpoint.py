"""A run killed at any moment and resumed ends with the metrics of an undisturbed one, byte for byte."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import ROOT, train

NET = (
    "strategy=lstm", "device=cpu", "strategy.hidden_size=8", "strategy.lookback=5", "strategy.epochs=5",
    "strategy.patience=5", "strategy.n_seeds=2", "validation.splitter.n_splits=2", "audit=none",
)  # fmt: skip
TREES = ("strategy=xgboost", "device=cpu", "audit=none")


def killed(words: list[str], when: Callable[[float], bool]) -> bool:
    """Start train.py and SIGKILL it as soon as `when(seconds)` holds; False if it ended before."""
    begin = time.monotonic()
    process = warm.start([str(ROOT / "train.py"), *words])
    while process.poll() is None:
        if when(time.monotonic() - begin):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.002)
    assert process.returncode == 0
    return False


def words_for(run: Path, overrides: tuple[str, ...]) -> list[str]:
    """The command that begins the run in `run`, or goes on with it."""
    if (run / ".hydra" / "config.yaml").exists() and (run / "run.json").exists():
        return [f"resume={run}", "quiet=true"]
    return ["experiment=smoke", f"output_dir={run.parent}", f"hydra.run.dir={run}", *overrides]


def is_done(run: Path) -> bool:
    """Whether run.json says so."""
    path = run / "run.json"
    return path.exists() and json.loads(path.read_text())["status"] == "done"


@pytest.mark.parametrize(
    ("overrides", "moment"),
    [(NET, "model/fold-1/last-1.ckpt"), (TREES, "model/fold-2/finished.json")],
    ids=["in the middle of a fold", "between two folds of trees"],
)
def test_a_killed_run_goes_on_where_it_was(smoke, tmp_path, overrides, moment):
    undisturbed, run = smoke(*overrides), tmp_path / "run"
    assert killed(words_for(run, overrides), lambda _: (run / moment).exists())
    first = run / "model" / "fold-0" / "scores.safetensors"
    kept = first.stat().st_mtime_ns
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    finished = train(*words_for(run, overrides))
    assert finished.returncode == 0, finished.stderr
    for name in ("metrics.json", "predictions.parquet", "ledger.parquet"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert json.loads((run / "curves.json").read_text()) == json.loads((undisturbed / "curves.json").read_text())
    assert first.stat().st_mtime_ns == kept
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["status"] == "done" and len(manifest["resumed"]) == 1
    assert [fold["fold"] for fold in manifest["folds"]] == list(range(len(manifest["folds"])))
    assert not list(run.glob("model/*/*.ckpt"))
    if overrides is NET:
        seeds = json.loads((run / "metrics.json").read_text())["seeds"]
        assert seeds["n"] == 2 and seeds["rank_ic"][0] != seeds["rank_ic"][1] and seeds["score_std"] > 0


def test_what_cannot_be_resumed_is_one_line_and_leaves_the_run_alone(smoke, tmp_path):
    run = smoke(*TREES)
    (run / "report.html").touch()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "train.log"}
    cases = {
        (f"resume={run}",): "this run is done; there is nothing left to do",
        (f"resume={run}", "seed=3"): "seed=3: resume= goes on with the recorded settings",
        (f"resume={tmp_path}",): "is not a run's directory, there is no .hydra/config.yaml in it",
    }
    for words, line in cases.items():
        finished = train(*words)
        assert finished.returncode == 2 and finished.stdout == ""
        assert line in finished.stderr and len(finished.stderr.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in before} == before


def test_other_bars_are_refused(tmp_path):
    run = tmp_path / "run"
    assert killed(words_for(run, TREES), lambda _: (run / "model/fold-0/finished.json").exists())
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, "data_hash": "0" * 64}))
    finished = train(f"resume={run}")
    assert finished.returncode == 2 and "the bars are not those that the run began with" in finished.stderr


def test_a_configuration_from_elsewhere_names_no_other_code(tmp_path):
    run = tmp_path / "run"
    assert killed(words_for(run, TREES), lambda _: (run / "model/fold-0/finished.json").exists())
    config = run / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("barwise.strategies.xgb.XGBoostStrategy", "os.system"))
    finished = train(f"resume={run}")
    assert finished.returncode == 2 and "os.system" in finished.stderr and "may name only" in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [NET, TREES], ids=["lstm", "xgboost"])
def test_ten_kills_at_random_moments(smoke, tmp_path, overrides):
    undisturbed = smoke(*overrides)
    begin = time.monotonic()
    again = train(*words_for(tmp_path / "timed", overrides))
    assert again.returncode == 0
    seconds, draw, kills, runs = time.monotonic() - begin, random.Random(0), 0, 0
    while kills < 10:
        run = tmp_path / f"run-{runs}"
        if is_done(run):  # killed after its last word
            runs += 1
            continue
        moment = draw.uniform(0.05, 1.0) * seconds
        if killed(words_for(run, overrides), lambda passed, moment=moment: passed > moment):
            kills += 1
        else:
            runs += 1
    if not is_done(run):
        train(*words_for(run, overrides))
    finished = [path for path in tmp_path.glob("run-*") if (path / "metrics.json").exists()]
    assert finished
    for path in finished:
        assert (path / "metrics.json").read_bytes() == (undisturbed / "metrics.json").read_bytes()
        assert json.loads((path / "run.json").read_text())["status"] == "done"
