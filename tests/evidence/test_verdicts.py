"""The proof of the verdict: false alarms on random walks, and skill found where it was planted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

from barwise.benchmarks.verdicts import _SWEEPS, _SYMBOLS, _cell, _MarketOf, _sweep_parts, _trials_of
from barwise.console.progress import Progress
from barwise.data import synthetic
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory


@pytest.fixture(scope="module")
def parts():
    return _sweep_parts()


def test_the_benchmark_trades_what_train_py_would(parts, tmp_path):
    data = partial(synthetic.load, n_symbols=_SYMBOLS, n_bars=500, seed=3, ic=0.1)
    out = RunDirectory(tmp_path)
    out.start()
    run(replace(parts[0], data=data, baseline=None, audit="none"), out, Progress(quiet=True))
    ledger = pq.read_table(tmp_path / "ledger.parquet")
    time, net, _ = next(_trials_of(parts, _MarketOf(3, 500, 0.1)))
    assert np.array_equal(time, ledger["time"].to_numpy()) and np.array_equal(net, ledger["net"].to_numpy())
    assert not ledger["cost"].to_numpy().any()


def test_ten_trials_that_are_not_alike(parts):
    found = _cell(parts, 0.0, 500, 2)
    assert len(parts) == len(_SWEEPS["10 trials"]) == 10 and 5 < found.n_effective <= 10
    assert found.outcomes[0] != found.outcomes[1]


@pytest.mark.slow
def test_two_hundred_random_walks_seldom_look_like_skill(parts):
    found = _cell(parts, 0.0, 1250, 200)
    assert found.believed <= 0.08 < 0.2 < found.naive


@pytest.mark.slow
@pytest.mark.parametrize(("ic", "few", "many"), [(0.05, 1000, 8000), (0.1, 500, 2000)])
def test_planted_skill_is_found_with_enough_bars(parts, ic, few, many):
    short, long = _cell(parts, ic, few, 20), _cell(parts, ic, many, 20)
    assert short.deflated < short.believed < long.believed and long.believed >= 0.8
