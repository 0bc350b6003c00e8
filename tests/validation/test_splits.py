"""Splits after purge and embargo against skfolio's and scikit-learn's, and the paths they make up."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from skfolio.model_selection import CombinatorialPurgedCV
from skfolio.model_selection import WalkForward as SkfolioWalkForward
from sklearn.model_selection import KFold

from barwise.data import synthetic
from barwise.errors import ConfigError
from barwise.features.matrix import FeatureMatrix
from barwise.labels import forward_return
from barwise.panel import build_panel
from barwise.samples import Panel
from barwise.validation.folds import Fold, Validation
from barwise.validation.paths import full_paths, path_of
from barwise.validation.splits import CombinatorialPurged, Holdout, PurgedKFold, WalkForward

BARS = 240


def panel_of(horizon: int, symbols: int = 1) -> Panel:
    """One feature that is always there, and labels that end `horizon` + 1 bars on."""
    bars = synthetic.load(n_symbols=symbols, n_bars=BARS).bars
    X = np.concatenate([b.close for b in bars])[:, None].astype(np.float32)
    offsets = np.arange(symbols + 1) * BARS
    matrix = FeatureMatrix(X, ("close",), bars, offsets, np.zeros(symbols, int), ())
    return build_panel(matrix, partial(forward_return, horizon=horizon))


def learned(fold: Fold) -> list[int]:
    return sorted(np.concatenate([fold.train, fold.valid]).tolist())


def folds_of(splitter, panel: Panel, embargo: int = 0) -> list[Fold]:
    """Folds whose training rows are not divided: no row is left for validation, as in skfolio."""
    return Validation(splitter, embargo, valid_fraction=1e-9, min_train=1).folds(panel)


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 3), (8, 2)])
@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (5, 0), (5, 9)])
def test_combinatorial_is_skfolios(groups, tested, horizon, embargo):
    panel = panel_of(horizon)
    reach = horizon + 1  # bars until the label's last price: what skfolio calls purged_size
    # skfolio counts the embargo from the end of the last label, barwise from the end of the block
    other = CombinatorialPurgedCV(groups, tested, purged_size=reach, embargo_size=max(0, embargo - reach))
    unlabelled = set(np.flatnonzero(~np.isfinite(panel.ret)).tolist())
    ours = folds_of(CombinatorialPurged(groups, tested), panel, embargo)
    theirs = list(other.split(np.zeros((BARS, 1))))
    assert len(ours) == len(theirs) == CombinatorialPurged(groups, tested).get_n_splits()
    for fold, (train, test) in zip(ours, theirs, strict=True):
        assert fold.test.tolist() == sorted(np.concatenate(test).tolist())
        assert learned(fold) == sorted(set(train.tolist()) - unlabelled)


def test_paths_are_skfolios():
    splitter, other = CombinatorialPurged(6, 2), CombinatorialPurgedCV(6, 2)
    folds = folds_of(splitter, panel_of(1))
    time = np.concatenate([f.test for f in folds])
    fold = np.concatenate([np.full(len(f.test), f.number) for f in folds])
    path = path_of(np.zeros(len(time), int), time, fold)
    assert full_paths(path).tolist() == list(range(splitter.n_paths)) and splitter.n_paths == other.n_test_paths
    block = np.minimum(time // (BARS // 6), 5)
    for k in range(splitter.n_paths):
        assert sorted(time[path == k].tolist()) == list(range(BARS))  # all times, once each
        for group in range(6):
            assert set(fold[(path == k) & (block == group)]) == {other.recombined_paths[group, k]}


@pytest.mark.parametrize("window", [None, 60])
@pytest.mark.parametrize("horizon", [1, 7])
def test_walk_forward_is_skfolios(window, horizon):
    panel, reach, test_size, first = panel_of(horizon), horizon + 1, 36, 96
    ours = folds_of(WalkForward(4, first / BARS, window), panel)
    for fold, begin in zip(ours, range(first, BARS, test_size), strict=True):
        other = SkfolioWalkForward(
            test_size=test_size,
            train_size=(window or begin) - reach,
            purged_size=reach,
        )
        train, test = next(iter(other.split(np.zeros((begin + test_size, 1))[begin - (window or begin) :])))
        shift = begin - (window or begin)
        assert fold.test.tolist() == (test + shift).tolist()
        assert learned(fold) == (train + shift).tolist()


def test_purged_kfold_is_scikit_learns_less_the_purged_rows():
    panel = panel_of(4)
    for fold, (train, test) in zip(folds_of(PurgedKFold(5), panel), KFold(5).split(np.zeros(BARS)), strict=True):
        assert fold.test.tolist() == test.tolist()
        kept = [t for t in train if t + 5 < test[0] or t > test[-1] + 5]
        assert learned(fold) == [t for t in kept if t + 5 < BARS]


@pytest.mark.parametrize(
    "splitter", [WalkForward(), WalkForward(10, 0.4, 50), PurgedKFold(), CombinatorialPurged(), Holdout()]
)
def test_each_time_is_tested_as_often_as_the_splitter_says(splitter):
    tested = np.concatenate([test for _, test in splitter.split(np.arange(BARS))])
    times, counts = np.unique(tested, return_counts=True)
    assert set(counts) == {getattr(splitter, "n_paths", 1)} and times[-1] == BARS - 1
    for train, test in splitter.split(np.arange(BARS)):
        assert not set(train) & set(test)


def test_paths_of_splits_that_do_not_overlap_are_one():
    assert path_of(np.array([0, 1, 0, 1]), np.array([5, 5, 6, 6]), np.array([0, 0, 1, 1])).tolist() == [0] * 4


def test_a_path_with_gaps_is_no_history():
    path = path_of(np.zeros(5, int), np.array([1, 2, 3, 2, 3]), np.array([0, 0, 0, 1, 1]))
    assert path.tolist() == [0, 0, 0, 1, 1] and full_paths(path).tolist() == [0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CombinatorialPurged(6, 6), "n_test_groups=6: must lie between 1 and n_groups - 1"),
        (lambda: PurgedKFold(1), "n_splits=1: must be a whole number of 2 or more"),
        (lambda: WalkForward(first_train=1.5), "first_train=1.5: must be a number above 0, below 1"),
        (lambda: list(WalkForward(50).split(np.arange(40))), "too many for 40 bars"),
    ],
)
def test_mistakes_are_one_line(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
