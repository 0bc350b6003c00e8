"""hydra/launcher=isolated: a trial that fails in any way takes no other with it, and what failed is on record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from barwise.console.arguments import compose
from barwise.sweeps.outcome import _reason_of
from barwise.sweeps.pool import Job, Pool
from barwise.sweeps.trial import plain_config
from tests import warm
from tests.conftest import PATIENCE, ROOT, train
from tests.sweeps.cases import SMALL, leaderboard, states

REASONS = {
    1: "RuntimeError: boom: the data fell over",
    3: "killed by SIGKILL",
    5: "killed by SIGSEGV",
    7: "its process ended with exit code 0 before the run was finished",
}
EIGHT = "fine,raise,well,kill,good,segfault,nice,os_exit"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], subprocess.CompletedProcess[str]]:
    """Eight trials of which four fail; the sweep's folder, the command and how it ended."""
    folder = tmp_path_factory.mktemp("outputs")
    command = [
        "-m", *SMALL, f"strategy.how={EIGHT}", "strategy.n=0", f"output_dir={folder}", "sweep.name=broken",
        "hydra.launcher.n_jobs=2",
    ]  # fmt: skip
    return folder / "sweeps" / "broken", command, train(*command)


def test_the_others_go_on_and_what_failed_says_why(broken):
    sweep, _, finished = broken
    assert finished.returncode == 4
    found = states(sweep)
    assert {n: state["status"] for n, state in found.items()} == {
        n: "failed" if n in REASONS else "done" for n in range(8)
    }
    for n, reason in REASONS.items():
        assert found[n]["reason"].startswith(reason), found[n]["reason"]
    assert "boom" in (sweep / "1" / "train.log").read_text()
    assert 'misbehave.py", line' in (sweep / "5" / "output.log").read_text()  # where it crashed


def counted(folder: Path) -> list[str]:
    """The states in a ledger of trials, sorted."""
    return sorted(json.loads(line)["status"] for line in (folder / "trials.jsonl").read_text().splitlines())


def test_failed_trials_are_counted(broken):
    sweep = broken[0]
    assert counted(sweep.parents[1]) == ["done"] * 4 + ["failed"] * 4 + ["started"] * 8  # from its start, each


def test_the_leaderboard_lists_all_and_the_last_line_says_some_failed(broken):
    sweep, _, finished = broken
    rows = leaderboard(sweep)
    assert [row["status"] for row in rows] == ["done"] * 4 + ["failed"] * 4
    assert {row["reason"][:10] for row in rows[4:]} == {reason[:10] for reason in REASONS.values()}
    last = finished.stderr.strip().splitlines()
    assert len(last) == 1 and last[0].startswith("barwise: 4 of 8 trials failed"), last
    assert "sweep.name=broken sweep.retry=failed" in last[0]
    assert sum(line.startswith("[") for line in finished.stdout.splitlines()) == 8  # a line a trial


def test_the_same_command_runs_only_what_is_missing(broken):
    sweep, command, _ = broken
    before = states(sweep)
    wider = [word.replace("strategy.n=0", "strategy.n=0,1") for word in command]
    only = [word.replace(EIGHT, "fine,raise") for word in wider]
    assert train(*only).returncode == 4  # the one that raises is new with n=1
    after = states(sweep)
    assert {n: after[n] for n in before} == before
    assert {n: after[n]["status"] for n in sorted(set(after) - set(before))} == {8: "done", 9: "failed"}


def test_the_very_same_command_runs_nothing(broken):
    sweep, command, _ = broken
    before = states(sweep)
    finished = train(*command)
    assert finished.returncode == 4 and "8 trials are finished already and kept" in finished.stdout
    assert states(sweep) == before


def test_failed_trials_are_tried_again_on_request(tmp_path: Path):
    mended = tmp_path / "mended"
    command = (
        "-m", *SMALL, "strategy.how=fine,raise", f"strategy.once={mended}", f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    assert train(*command).returncode == 4
    mended.touch()
    first = states(tmp_path / "sweeps" / "t")
    assert train(*command, "sweep.retry=failed").returncode == 0
    again = states(tmp_path / "sweeps" / "t")
    assert again[0] == first[0] and again[1]["status"] == "done" and set(again) == {0, 1}


def start(*overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *overrides], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def wait_until(true, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "this never came to be"
        time.sleep(0.05)


def running(sweep: Path) -> list[Path]:
    return [p.parent for p in sweep.glob("*/run.json") if json.loads(p.read_text())["status"] == "running"]


STOPS = [
    (signal.SIGINT, 130),
    (signal.SIGTERM, 143),
    pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow),
]


def test_a_trial_takes_nothing_along_whatever_it_says_or_kills(tmp_path: Path):
    """A lone surrogate, megabytes, escapes; the server that the trials are forked from; a full disk."""
    hows = "fine,surrogate,server,shout,full"
    finished = train("-m", *SMALL, f"strategy.how={hows}", f"output_dir={tmp_path}", "sweep.name=t",
                     "hydra.launcher.n_jobs=2")  # fmt: skip
    assert finished.returncode == 4, finished.stderr
    sweep = tmp_path / "sweeps" / "t"
    found = states(sweep)
    assert [found[n]["status"] for n in range(5)] == ["done", "failed", "failed", "done", "failed"]
    assert r"caf\udce9.csv \x1b[2J" in found[1]["reason"] and len(found[1]["reason"]) <= 2000
    assert found[2]["reason"].startswith("killed by SIGKILL")
    assert found[4]["reason"].startswith("X.npy: no space left on the disk")
    assert len(leaderboard(sweep)) == 5
    assert len(finished.stdout) < 20_000 and len(finished.stderr.splitlines()) == 1
    assert all(path.stat().st_size < 3 * 2**20 for path in sweep.glob("*/*.log"))
    assert "bytes left out" in (sweep / "3" / "output.log").read_text()


@pytest.mark.parametrize(("how", "code"), STOPS)
def test_a_sweep_that_was_stopped_goes_on(tmp_path: Path, how: signal.Signals, code: int):
    sweep, stop = tmp_path / "sweeps" / "t", tmp_path / "stop"
    command = (
        "-m", *SMALL, "strategy.how=hang", f"strategy.once={stop}", "strategy.n=0,1", "hydra.launcher.n_jobs=1",
        f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    process = warm.start([str(ROOT / "train.py"), *command])
    said = sweep / "0" / "output.log"
    wait_until(lambda: running(sweep) and said.exists() and "hanging" in said.read_text())
    process.send_signal(how)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    if how != signal.SIGKILL:
        assert errors.startswith("barwise: stopped; 0 trials are done and kept; to go on: python train.py -m ")
        assert errors.strip().endswith("sweep.name=t")
        assert states(sweep)[0]["reason"].startswith("interrupted")
    stop.touch()
    assert train(*command).returncode == 0
    assert {n: state["status"] for n, state in states(sweep).items()} == {0: "done", 1: "done"}


@pytest.mark.slow
def test_two_processes_share_a_sweep(tmp_path: Path):
    command = (
        "-m", *SMALL, "strategy.n=0,1,2,3,4,5", "strategy.pause_s=0.2", "hydra.launcher.n_jobs=1",
        f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    both = [start(*command) for _ in range(2)]
    outputs = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert {n: state["status"] for n, state in states(tmp_path / "sweeps" / "t").items()} == dict.fromkeys(
        range(6), "done"
    )
    assert counted(tmp_path) == ["done"] * 6 + ["started"] * 6  # none was run twice
    assert len(leaderboard(tmp_path / "sweeps" / "t")) == 6


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_is_asked_for_and_ends_alone(tmp_path: Path, method: str):
    """The pool by itself: a task that is nowhere to be found ends its own process, and its output says why."""
    with Pool(n_jobs=2, method=method) as pool:
        for n in range(2):
            pool.start(Job(n, tmp_path / str(n), {"hydra": {}}, ("nowhere", "task")))
        ended = []
        while pool.running:
            ended += pool.wait(30)
    assert sorted((e.job.number, e.code) for e in ended) == [(0, 1), (1, 1)]
    assert "Traceback" in (tmp_path / "0" / "output.log").read_text()


def test_a_trial_that_hangs_says_where_and_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its time is over once it hangs, and its last words once they are said, however slow the machine is."""
    hangs, output = tmp_path / "hangs", tmp_path / "output.log"

    class Clock:
        now = 0.0

        @classmethod
        def monotonic(cls) -> float:
            trial = pool.running.get(0)
            said = output.exists() and "in waits" in output.read_text()
            if hangs.exists() and trial and (trial.warned is None or said):
                cls.now += 10_000
            return cls.now

    words = [f"+mark={hangs}", f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=.", "hydra.mode=MULTIRUN",
             "hydra.job.name=train", "hydra.job.num=0", "hydra.job.id=0",
             f"hydra.runtime.output_dir={tmp_path}"]  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = plain_config(hydra_compose("config", words, return_hydra_config=True))
    monkeypatch.setattr("barwise.sweeps.pool.time", Clock)
    with Pool(timeout_s=5_000, method="fork") as pool:
        pool.start(Job(0, tmp_path, config, ("tests.sweeps.misbehave", "waits")))
        while not (ended := pool.wait(0.05)):
            pass
    assert (ended[0].timed_out, ended[0].code) == (True, -signal.SIGKILL)
    assert _reason_of(ended[0]).startswith("took longer than hydra.launcher.timeout_s and was killed; output.log has")
    assert 'misbehave.py", line' in output.read_text()


@pytest.mark.slow
def test_spawned_trials_end_as_forked_ones_do(tmp_path: Path):
    command = ("-m", *SMALL, "strategy.how=fine,kill", f"output_dir={tmp_path}", "sweep.name=t")
    assert train(*command, "hydra.launcher.method=spawn", "hydra.launcher.n_jobs=2").returncode == 4
    found = states(tmp_path / "sweeps" / "t")
    assert {n: state["status"] for n, state in found.items()} == {0: "done", 1: "failed"}


MISTAKES = {
    "hydra.launcher.n_jobs=0": "hydra.launcher.n_jobs=0: must be a whole number of 1 or more, 4096 at most or null",
    "hydra.launcher.method=thread": "hydra.launcher.method=thread: must be one of auto, fork, spawn",
    "hydra.launcher.timeout_s=-1": "hydra.launcher.timeout_s=-1: must be a number above 0, at most 1e+09 or null",
    "sweep.retry=all": "sweep.retry=all: must be one of failed or null",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_a_mistake_is_one_line(override: str, tmp_path: Path):
    finished = train("-m", *SMALL, override, f"output_dir={tmp_path}")
    assert finished.returncode == 2
    assert finished.stderr.strip() == f"barwise: {MISTAKES[override]}"


@pytest.mark.slow
def test_a_tree_trial_and_a_net_trial_share_no_process(tmp_path: Path):
    """A net's server imports torch; a trial of another strategy in the same sweep does not have it."""
    finished = train(
        "-m", "--config-dir=tests/sweeps/conf", "experiment=tree_and_net", f"output_dir={tmp_path}", "sweep.name=t",
        "hydra.launcher.n_jobs=1",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    tree = next(p for p, s in states(tmp_path / "sweeps" / "t").items() if "strategy=misbehave" in s["overrides"])
    assert "torch imported: False" in (tmp_path / "sweeps" / "t" / str(tree) / "output.log").read_text()


def test_the_check_before_a_sweep_composes_what_is_new_once():
    """Each choice of a group and each key, not each trial: a thousand seeds are not a thousand compositions."""
    from hydra_plugins.barwise.isolated import EachOnce

    composed = []

    class Loader:
        def get_group_options(self, group: str) -> list[str]:
            return ["ridge", "lstm"] if group == "strategy" else []

        def load_sweep_config(self, master: str, overrides: list[str]) -> DictConfig:
            composed.append(overrides)
            return OmegaConf.merge(OmegaConf.create({"hydra": {}}), compose([]))

    once = EachOnce(Loader())
    for words in (["strategy=ridge", "seed=1"], ["strategy=ridge", "seed=2"], ["strategy=lstm", "seed=1"]):
        once.load_sweep_config("master", words)
    once.load_sweep_config("master", ["strategy=lstm", "strategy.epochs=1"])
    assert composed == [
        ["strategy=ridge", "seed=1"],
        ["strategy=lstm", "seed=1"],
        ["strategy=lstm", "strategy.epochs=1"],
    ]
