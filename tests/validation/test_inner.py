"""Inner folds: what tunes on a fold's training rows is tested on rows that no training label reaches into."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.errors import ConfigError
from barwise.validation.inner import InnerFolds, inner
from barwise.validation.splits import WalkForward

DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")


def rows(n: int, symbols: int, horizon: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    days = np.sort(np.random.default_rng(seed).choice(3 * n, n, replace=False))
    time = np.datetime64("2020-01-01", "ns") + np.tile(days, symbols) * DAY
    return time, time + horizon * DAY


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(30, 80), symbols=st.integers(1, 3), horizon=st.integers(0, 20), folds=st.integers(2, 5),
    embargo=st.one_of(st.integers(0, 5), st.sampled_from(["1D", "1W"])), seed=st.integers(0, 9),
)  # fmt: skip
def test_no_training_label_meets_a_test_label_and_each_row_is_tested_once(n, symbols, horizon, folds, embargo, seed):
    time, end = rows(n, symbols, horizon, seed)
    try:
        pairs = inner(time, end, folds, embargo)
    except ConfigError:
        return
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(n * symbols))
    wait = {"1D": DAY, "1W": 7 * DAY}.get(embargo)
    times = np.unique(time)
    for train, test in pairs:
        low, high = time[test].min(), end[test].max()
        assert not ((end[train] >= low) & (time[train] <= high)).any()
        last = np.searchsorted(times, time[test].max())
        until = times[last] + wait if wait is not None else times[min(last + embargo, len(times) - 1)]
        assert not ((time[train] > times[last]) & (time[train] <= until)).any()


def test_a_splitter_says_the_blocks_and_they_are_purged():
    time, end = rows(100, 2, 5)
    pairs = inner(time, end, WalkForward(3, 0.4), 0)
    assert len(pairs) == 3 and all(end[train].max() < time[test].min() for train, test in pairs)


def test_too_many_folds_and_labels_that_reach_over_everything_are_told():
    time, end = rows(40, 1, 2)
    with pytest.raises(ConfigError, match=r"strategy.estimator.cv=50: too many for 40 times"):
        inner(time, end, 50, setting="strategy.estimator.cv")
    with pytest.raises(ConfigError, match="folds: inner fold 0 keeps 0 training"):
        inner(time, end + 900 * DAY, 3)


def test_the_folds_split_the_rows_that_they_were_made_for_alone():
    folds = InnerFolds(inner(*rows(40, 1, 2), 3), 40)
    assert folds.get_n_splits() == 3 and len(folds.split(np.zeros((40, 2)))) == 3
    with pytest.raises(ConfigError, match="nest no search in another"):
        folds.split(np.zeros((30, 2)))
