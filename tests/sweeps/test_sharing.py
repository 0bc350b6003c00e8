"""What trials of the same parts share is made once, and no trial is another for it."""

from __future__ import annotations

import copy
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.experiment import shared
from barwise.experiment.configuration import plain
from barwise.experiment.fitting import fit_fold
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.experiment.shared import Shared, key_of, shared_by
from barwise.runs.directory import RunDirectory
from barwise.strategies import quantized
from barwise.strategies.base import FitContext
from barwise.sweeps.sharing import prepare
from tests.conftest import train
from tests.sweeps.cases import states
from tests.sweeps.misbehave import Misbehaving

SMALL = ("experiment=smoke", "strategy=xgboost", "strategy.n_estimators=20", "threads=1")


@pytest.fixture(autouse=True)
def _forgotten():
    yield
    shared._kept.clear()
    quantized._kept.clear()


def config(*overrides: str) -> dict[str, Any]:
    found = plain(compose([*SMALL, *overrides]))
    return {name: node for name, node in found.items() if name != "hydra"}


def test_later_trials_find_what_they_share_and_are_what_they_would_be_alone(tmp_path: Path):
    small = (*SMALL, f"cache.folder={tmp_path}/cache")  # in which no other test has built the same matrix
    one = ("hydra.launcher.n_jobs=1", "hydra.launcher.threads=1")  # of one thread: fits share their matrices too
    finished = train("-m", *small, "seed=0,1,2", f"output_dir={tmp_path}", "sweep.name=s", *one)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = states(tmp_path / "sweeps" / "s")
    assert [found[n]["cache"]["status"] for n in range(3)] == ["built", "shared", "shared"]
    alone = train(*small, "seed=2", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/alone")
    assert alone.returncode == 0, alone.stderr
    trial, single = tmp_path / "sweeps" / "s" / "2", tmp_path / "alone"
    for name in ("metrics.json", "predictions.parquet", "ledger.parquet", "curves.json", "model/fold-0/model.json"):
        assert (trial / name).read_bytes() == (single / name).read_bytes(), name
    files = [
        {str(p.relative_to(place)) for p in place.rglob("*") if "events" not in p.name} for place in (trial, single)
    ]
    assert files[1] - files[0] <= {"report.html"}  # a trial's page is rendered when it is asked for
    kept = json.loads((trial / "run.json").read_text()).keys()
    assert json.loads((single / "run.json").read_text()).keys() <= kept


def test_what_differs_in_its_groundwork_shares_nothing():
    same = {key_of(config()), key_of(config("seed=3", "strategy.max_depth=2", "objective=calmar"))}
    assert len(same) == 1 and None not in same
    others = ("data.seed=5", "features=volume", "validation.embargo=3", "audit=thorough", "costs=impact")
    assert len({key_of(config(word)) for word in others} | same) == len(others) + 1


@pytest.mark.parametrize("word", ["data=yfinance", "+data.universe='s3://there/u.csv'"])
def test_bars_from_afar_are_not_shared(word: str):
    assert key_of(config(word)) is None


def test_code_of_the_users_shares_nothing():
    own = config() | {"labels": {"_target_": "tests.sweeps.misbehave.boom", "_partial_": True}}
    assert key_of(own) is None
    given = config()
    assert shared_by(given, parts_of(given)).key is not None
    assert shared_by(given, replace(parts_of(given), strategy=Misbehaving())).key is None


def test_other_bars_are_made_anew():
    kept = Shared("settings", keeps=True)
    assert kept.on("bars").once("panel", lambda: 1) == 1
    assert kept.on("bars").once("panel", lambda: 2) == 1
    assert kept.on("others").once("panel", lambda: 2) == 2


def test_only_the_last_sorts_of_parts_are_kept():
    for n in range(20):
        Shared(f"{n}", keeps=True).once("panel", lambda: 0)
    assert list(shared._kept) == [f"{n}" for n in range(12, 20)]


def test_what_is_quantized_is_known_by_all_that_it_is_made_of():
    random = np.random.default_rng(0)
    X, y, weight = random.normal(size=(60, 3)).astype(np.float32), np.arange(60.0) % 3, np.ones(60)
    first = quantized.keep(X, y, weight)
    assert quantized.quantized(X.copy(), y, weight) is first
    below = quantized.keep(X[:20], y[:20], weight[:20], first)
    assert quantized.quantized(X[:20], y[:20], weight[:20], first) is below
    other = X.copy()
    other[7, 1] += 1e-6
    for given in ((other, y, weight), (X, y + 1.0, weight), (X, y, weight * 2.0), (X[:20], y[:20], weight[:20])):
        assert quantized.quantized(*given).matrix not in (first.matrix, below.matrix)
    assert quantized.quantized(X[:20], y[:20], weight[:20], quantized.quantized(other, y, weight)) is not below


@pytest.mark.parametrize("threads", ["1", "2"])
def test_fits_begin_with_what_was_kept_where_one_thread_made_it(threads: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)  # a process that has used more threads must not be forked
    prepare(config("seed=5"))
    assert bool(quantized._kept) == (threads == "1")
    made, before = [], quantized._made
    monkeypatch.setattr(quantized, "_made", lambda *given: made.append(1) or before(*given))
    (found,) = shared._kept.values()
    parts = parts_of(config("seed=5"))
    for fold in found["folds"]:
        fit_fold(found["panel"], fold, copy.deepcopy(parts.strategy), FitContext())
    assert bool(made) == (threads != "1")


def metrics(given: dict[str, Any], folder: Path) -> bytes:
    out = RunDirectory(folder)
    out.start()
    parts = parts_of(given)
    run(parts, out, shared=shared_by(given, parts))
    return (folder / "metrics.json").read_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="trials are forked")
def test_a_trial_that_dies_in_the_middle_changes_nothing_for_the_next(tmp_path: Path):
    given = config("seed=4")
    prepare(given)
    (found,) = shared._kept.values()
    before = found["panel"].y.copy()
    pid = os.fork()
    if pid == 0:
        found["panel"].y[:] = 0.0
        found["folds"].clear()
        found["audit"][0].findings.append("mine")
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert np.array_equal(found["panel"].y, before, equal_nan=True) and found["folds"]
    with_it = metrics(given, tmp_path / "with")
    assert json.loads((tmp_path / "with" / "run.json").read_text())["cache"]["status"] == "shared"
    shared._kept.clear()
    assert with_it == metrics(given, tmp_path / "without")
