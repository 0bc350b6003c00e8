"""Folds side by side: the same files as one after the other, whatever ends a process, the run or its fold."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from barwise.audit.findings import Audit, Finding
from barwise.audit.in_run import FoldAudit
from barwise.console.messages import one_line
from barwise.devices.choice import DeviceChoice
from barwise.errors import ConfigError, LeakError
from barwise.experiment import fold_jobs
from barwise.experiment.fold_pool import FoldPool
from barwise.experiment.fold_process import _told, raised
from barwise.listener import Listener
from barwise.strategies.xgb import XGBoostStrategy
from barwise.validation.folds import Fold
from tests import warm
from tests.audit.cases import honest
from tests.conftest import ROOT, train
from tests.experiment.test_checkpoint import NET, TREES, words_for

TWO = ("fold_jobs=2",)
FILES = ("metrics.json", "predictions.parquet", "ledger.parquet", "curves.json", "importance.parquet")
KINDS = sorted(path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml"))


def same(run: Path, other: Path) -> None:
    """Every file of results, byte for byte, and what run.json says of each fold."""
    for name in FILES:
        assert (run / name).exists() == (other / name).exists(), name
        if (run / name).exists():
            assert (run / name).read_bytes() == (other / name).read_bytes(), name
    folds = [json.loads((one / "run.json").read_text())["folds"] for one in (run, other)]
    assert [{**f, "seconds": 0} for f in folds[0]] == [{**f, "seconds": 0} for f in folds[1]]


@pytest.mark.parametrize("overrides", [NET, TREES], ids=["net", "trees"])
def test_folds_side_by_side_give_the_files_of_one_after_the_other(smoke, overrides):
    beside = smoke(*overrides, *TWO)
    same(beside, smoke(*overrides))
    assert json.loads((beside / "run.json").read_text())["fold_jobs"]["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_strategy_gives_the_same_files(smoke, kind):
    words = (f"strategy={kind}", *(NET[1:6] if kind == "lstm" else ()))
    same(smoke(*words, *TWO), smoke(*words))


def children(pid: int) -> set[int]:
    """All processes that come from one; one that ended while it was asked has none."""
    try:
        own = {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return own.union(*(children(one) for one in own)) if own else own


def alive(pids: set[int]) -> set[int]:
    """Those that have not ended; a zombie has."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found |= {pid} if state not in "ZX" else set()
    return found


def ended_by(number: int, run: Path) -> set[int]:
    """The processes that a run had when a signal ended it, begun anew where it was done before both were seen."""
    expected = 143 if number == signal.SIGTERM else -number
    for _ in range(20):
        process = warm.start([str(ROOT / "train.py"), *words_for(run, (*TREES, *TWO))])
        left: set[int] = set()
        while process.poll() is None and len(left) < 2:
            left = alive(children(process.pid)) if (run / "model").is_dir() else set()
            time.sleep(0.002)
        process.send_signal(number)
        if process.wait() == expected and len(left) >= 2:
            return left
        assert process.returncode in (0, expected), process.communicate()
        shutil.rmtree(run, ignore_errors=True)
    raise AssertionError("no run was seen with two processes")


def test_no_signal_leaves_a_process_behind_and_the_run_goes_on(smoke, tmp_path):
    run = tmp_path / "run"
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = ended_by(number, run)
        until = time.monotonic() + warm.PATIENCE
        while alive(left) and time.monotonic() < until:
            time.sleep(0.01)
        assert not alive(left)
    finished = train(*words_for(run, (*TREES, *TWO)))
    assert finished.returncode == 0, finished.stderr
    same(run, smoke(*TREES))
    assert json.loads((run / "run.json").read_text())["status"] == "done"


def test_the_error_of_a_fold_is_the_line_that_it_is_in_line(tmp_path):
    words = ("experiment=smoke", "strategy=knn", "strategy.estimator.n_neighbors=90000", "audit=none", "baseline=null")
    runs = [train(*words, f"output_dir={tmp_path}/{n}", f"fold_jobs={n}") for n in (1, 2)]
    assert [one.returncode for one in runs] == [2, 2]
    assert runs[0].stderr == runs[1].stderr and "must be at most a fold's training rows" in runs[1].stderr


class Heard(Listener):
    def __init__(self) -> None:
        self.events: list[tuple] = []

    def scalar(self, name, value, step):
        self.events.append(("scalar", name, value, step))

    def alert(self, kind, message):
        self.events.append(("alert", kind, message))

    def progress(self, what, done, total):
        self.events.append(("progress", done, total))


def test_events_are_heard_in_the_order_of_the_folds_and_a_lost_process_is_told_of(capsys):
    def work(order, tell):
        if order["fold"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        tell.scalar(f"fold-{order['fold']}/loss", np.float32(0.5), np.int64(3))
        tell.scalar("nan", float("nan"), 0)
        os.write(1, f"said by {order['fold']}\n".encode())
        return {"fold": order["fold"]}

    heard = Heard()
    with FoldPool(3, 1, work) as pool:
        pool.begin([{"fold": k} for k in (2, 1, 0)], heard)
        found = [pool.result(k) for k in range(3)]
    assert found == [{"fold": 0}, None, {"fold": 2}] and not len(pool)
    spoken = [e for e in heard.events if e[0] != "progress"]
    assert spoken[0] == ("scalar", "fold-0/loss", 0.5, 3) and spoken[3] == ("scalar", "fold-2/loss", 0.5, 3)
    assert spoken[2][:2] == ("alert", "fallback") and "fold 1 was ended by SIGKILL; it is trained here" in spoken[2][2]
    assert [e[1:] for e in heard.events if e[0] == "progress"] == [(0, 3), (1, 3), (2, 3)]
    assert capsys.readouterr().err == "said by 0\nsaid by 2\n"


def test_where_all_processes_are_lost_every_fold_is_left_to_the_run():
    with FoldPool(2, 1, lambda order, tell: os._exit(3)) as pool:
        pool.begin([{"fold": k} for k in range(4)], heard := Heard())
        assert [pool.result(k) for k in range(4)] == [None] * 4
    assert "ended by itself, with 3" in heard.events[-4][2] and len([e for e in heard.events if e[0] == "alert"]) == 4


def test_the_first_fold_in_line_that_fails_is_the_one_that_is_told_of():
    def work(order, tell):
        raise ConfigError(f"fold {order['fold']}")

    with FoldPool(2, 1, work) as pool:
        pool.begin([{"fold": k} for k in (3, 2, 1, 0)], Heard())
        with pytest.raises(ConfigError, match="fold 0"):
            pool.result(0)


def test_an_error_comes_back_with_its_class_its_line_and_its_traceback():
    def thrown(*chain: Exception) -> Exception:
        try:
            try:
                raise chain[0]
            except Exception as error:
                raise chain[-1] from error
        except Exception as error:
            return error

    full = OSError(errno.ENOSPC, "No space left on device", "/disk/model.json")
    unknown = type("Strange", (Exception,), {})("odd")
    cases = [ConfigError("seed=x: no"), full, MemoryError("12 GB"), thrown(full, RuntimeError("cannot write")), unknown]
    for error in cases:
        back = raised(json.loads(json.dumps(_told(error))))
        code, line = one_line(error)
        assert one_line(back)[0] == code and (one_line(back)[1] == line or error is unknown)
        assert type(back) is type(error) or error is unknown
        assert "in the process that trained the fold" in back.__notes__[0]


def small() -> tuple[Any, list[Fold]]:
    """As much of a panel and its folds as deciding needs."""
    folds = [Fold(k, np.arange(10 * (k + 1)), np.arange(0), np.arange(0)) for k in range(4)]
    return SimpleNamespace(X=np.zeros((100, 3), np.float32)), folds


OURS = honest(strategy=XGBoostStrategy())


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_auto_divides_the_cores_and_keeps_to_the_share_of_a_trial(monkeypatch):
    monkeypatch.setattr(fold_jobs, "threads_beside", lambda: [])
    monkeypatch.setattr(fold_jobs, "cores", lambda: 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    parts = replace(OURS, fold_jobs="auto")
    assert fold_jobs.folds_at_once(parts, *small(), 3) == (1, 3)  # trees
    assert fold_jobs.folds_at_once(replace(parts, fold_jobs=3), *small(), 3) == (3, 1)
    monkeypatch.setattr(fold_jobs, "needs_torch", lambda strategy: True)
    assert fold_jobs.folds_at_once(parts, *small(), 1) == (3, 1)
    assert fold_jobs.folds_at_once(replace(parts, threads=2), *small(), 2) == (1, 2)  # that fill the cores
    assert fold_jobs.folds_at_once(replace(parts, threads=1), *small(), 1) == (3, 1)
    assert fold_jobs.folds_at_once(replace(parts, fold_jobs=2), *small(), 1) == (2, 1)
    assert fold_jobs.folds_at_once(replace(parts, fold_jobs=1), *small(), 3) == (1, 3)
    monkeypatch.setattr(fold_jobs, "free_memory", lambda: 1000)
    assert fold_jobs.folds_at_once(parts, *small(), 3) == (1, 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert fold_jobs.folds_at_once(parts, *small(), 1) == (1, 1)


def test_what_cannot_be_had_is_one_line_by_number_and_in_line_with_auto(monkeypatch):
    for parts, why in ((honest(), "a strategy or signal rule of your own"), (OURS, "other threads run beside (waits)")):
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait, name="waits")
        if "threads" in why:
            monkeypatch.setattr(fold_jobs, "threads_beside", lambda: ["waits"])
        thread.start()
        try:
            with pytest.raises(ConfigError, match="fold_jobs=2: "):
                fold_jobs.folds_at_once(replace(parts, fold_jobs=2), *small(), 2)
            if sys.platform == "linux":
                assert why in str(fold_jobs._no_pool(parts, small()[0]))
            assert fold_jobs.folds_at_once(replace(parts, fold_jobs="auto"), *small(), 2) == (1, 2)
        finally:
            stop.set()
            thread.join()


def test_an_accelerator_trains_folds_in_line():
    parts = replace(OURS, fold_jobs=2)
    with FoldPool(2, 1, lambda order, tell: {}) as pool:
        with pytest.raises(ConfigError, match=r"fold_jobs=2: .* on the CPU alone, and cuda was"):
            fold_jobs.settle_pool(pool, parts, DeviceChoice("auto", "cuda", ""), 1)
        with pytest.raises(ConfigError, match=r"fold_jobs=2: .* on the CPU alone, and jax was"):
            fold_jobs.settle_pool(pool, parts, DeviceChoice("cpu", "cpu", "", engine="jax"), 1)
        fold_jobs.settle_pool(pool, parts, DeviceChoice("cpu", "cpu", "", engine="torch"), 1)
        assert len(pool) == 2
        fold_jobs.settle_pool(pool, replace(parts, fold_jobs="auto"), DeviceChoice("mps", "mps", ""), 1)
        assert not len(pool)


def test_what_the_audit_found_in_a_process_is_heard_in_the_run():
    there, here = FoldAudit(Audit()), FoldAudit(Audit())
    there.audit.hear("learning", iter([7, Finding("learning", "note", "n")]))
    assert here.told(there.findings()) and here.audit.checks == {"learning": 7} and len(here.audit.findings) == 1
    there.by_bar = True
    assert here.told(there.findings()) and here.by_bar
    there.by_bar = False
    assert not here.told(there.findings())  # to be scored again, bar by bar
    there.by_bar = True
    there.audit.hear("learning", iter([Finding("learning", "leak", "it knows")]))
    with pytest.raises(LeakError, match="it knows"):
        here.told(there.findings())
