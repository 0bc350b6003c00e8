"""More than one machine: a study in PostgreSQL that two processes share, and a Ray cluster that loses a node."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import PATIENCE, train
from tests.servers import free_port, postgresql
from tests.sweeps.cases import SMALL, leaderboard, states
from tests.sweeps.test_isolated import start, wait_until

pytestmark = pytest.mark.slow
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="bw", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres() -> Iterator[str]:
    pytest.importorskip("psycopg")
    with postgresql() as address:
        yield f"postgresql+psycopg://{address}"


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_two_processes_share_a_study_in_postgresql(tmp_path: Path, postgres: str, sampler: str, monkeypatch):
    import optuna

    monkeypatch.setenv("BARWISE_STORAGE", postgres)
    command = (
        "-m", *SMALL, "hydra/sweeper=study", f"hydra.sweeper.sampler={sampler}", "hydra.sweeper.n_trials=20",
        "hydra.sweeper.startup=5", "strategy.n=range(0,20)", "hydra.launcher.n_jobs=1", "sweep.name=shared",
    )  # fmt: skip
    both = [start(*command, f"output_dir={tmp_path}") for _ in range(2)]
    outputs = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    study = optuna.load_study(study_name="shared", storage=postgres)
    kept = [t for t in study.trials if "superseded" not in t.user_attrs]
    assert [t.state.name for t in kept] == ["COMPLETE"] * 20
    assert len({t.user_attrs["owner"] for t in kept}) == 2  # both did some
    lines = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert sorted(line["status"] for line in lines) == ["done"] * 20 + ["started"] * 20  # and none was run twice
    if sampler == "grid":
        assert sorted(t.params["strategy.n"] for t in kept) == list(range(20))


@pytest.fixture
def cluster(short: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A Ray cluster of two nodes on this machine, a trial at a time each; its address and the second node's raylet."""
    if not RAY.exists():
        pytest.skip("Ray is not installed; pip install 'barwise[ray]'")
    address = f"127.0.0.1:{free_port()}"
    common = ("--num-cpus=1", "--disable-usage-stats", "--object-store-memory=80000000")
    port = address.rpartition(":")[2]
    before = set(psutil.pids())
    head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={short}")
    environment = {**os.environ, "HOME": str(short)}  # whatever Ray writes there
    subprocess.run([RAY, "start", *head, *common], check=True, capture_output=True, env=environment)
    of_head = set(psutil.pids())
    subprocess.run([RAY, "start", f"--address={address}", *common], check=True, capture_output=True, env=environment)

    def started(known: set[int]) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            if process.pid not in known and any(port in word for word in process.info["cmdline"] or ()):
                found.append(process)
        return found

    second = [p for p in started(of_head) if "raylet" in p.name()]
    yield address, second
    for process in started(before):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_ray_sweep_survives_a_node_that_dies(tmp_path: Path, cluster: tuple[str, list[psutil.Process]]):
    address, second = cluster
    assert second
    process = start(
        "-m", *SMALL, "strategy.n=0,1,2,3,4,5", "strategy.pause_s=1.5", "hydra/launcher=ray",
        f"hydra.launcher.address={address}", f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    sweep = tmp_path / "sweeps" / "t"
    both_run = lambda: sum(s["status"] == "running" for s in states(sweep).values()) == 2  # noqa: E731
    wait_until(lambda: both_run() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    wait_until(lambda: any(s["status"] == "done" for s in states(sweep).values()) and both_run())
    for raylet in second:
        raylet.kill()
    outputs = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, outputs
    assert {n: state["status"] for n, state in states(sweep).items()} == dict.fromkeys(range(6), "done")
    assert len(leaderboard(sweep)) == 6


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_launchers_work_and_a_study_resumes_on_them(tmp_path: Path, launcher: str):
    pytest.importorskip("submitit" if launcher == "submitit_local" else "hydra_plugins.hydra_joblib_launcher")
    command = (
        "-m", *SMALL, f"hydra/launcher={launcher}", "hydra/sweeper=study", "hydra.sweeper.sampler=grid",
        "strategy.how=fine,raise", "strategy.n=1,2", f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    finished = train(*command)
    assert finished.returncode == 4, finished.stdout + finished.stderr
    sweep = tmp_path / "sweeps" / "t"
    first = states(sweep)
    assert sorted(state["status"] for state in first.values()) == ["done", "done", "failed", "failed"]
    assert len(leaderboard(sweep)) == 4
    assert train(*command).returncode == 4
    assert states(sweep) == first  # nothing was left to do
