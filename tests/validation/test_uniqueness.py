"""Weights of overlapping labels by brute force, and labels shuffled for a placebo."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.data import synthetic
from barwise.errors import ConfigError
from barwise.labels import forward_return, next_return_sign, triple_barrier, weights
from barwise.validation.folds import Fold
from barwise.validation.shuffled import shuffled
from barwise.validation.splits import PurgedKFold
from tests.validation.test_splits import folds_of, panel_of

BARS = synthetic.load(n_symbols=1, n_bars=120).bars[0]


def brute(end: np.ndarray, begun: int | None = None) -> list[float]:
    """Mean over the bars of (t, end] of one over how many labels are alive there, label by label, bar by bar; one from
    bar `begun` on that has no end yet is alive."""
    spans = [
        None if np.isnat(e) else [i for i, when in enumerate(BARS.time) if BARS.time[t] < when <= e]
        for t, e in enumerate(end)
    ]
    open_ = [begun is not None and span is None and t >= begun for t, span in enumerate(spans)]
    alive = [
        sum(
            i in span if span is not None else o and i > t for t, (span, o) in enumerate(zip(spans, open_, strict=True))
        )
        for i in range(len(BARS))
    ]
    return [1.0 if span is None else float(np.mean([1 / alive[i] for i in span])) for span in spans]


@given(st.lists(st.integers(0, 25), min_size=120, max_size=120))
@settings(max_examples=15, deadline=None)
def test_uniqueness_is_what_counting_gives(reach):
    """Any stretches, those that end with the bars or have no end included (0)."""
    end = np.array(
        [np.datetime64("NaT") if r == 0 or t + r >= 120 else BARS.time[t + r] for t, r in enumerate(reach)],
        dtype="datetime64[ns]",
    )
    assert weights(BARS, end, "uniqueness") == pytest.approx(brute(end), abs=1e-12)


@pytest.mark.parametrize(("labeler", "begun"), [(partial(forward_return, horizon=7), 0), (triple_barrier, 20)])
def test_labels_carry_their_uniqueness(labeler, begun):
    labels = labeler(BARS, weighting="uniqueness")
    assert labels.weight == pytest.approx(brute(labels.end, begun), abs=1e-12)
    cut = labeler(BARS.take(slice(0, 90)), weighting="uniqueness")
    over = ~np.isnat(cut.end)
    assert labels.weight[:90][over] == pytest.approx(cut.weight[over], abs=1e-12), "a weight is known with its label"
    assert np.all(labeler(BARS, weighting="uniform").weight == 1.0)


def test_labels_of_a_constant_horizon_sum_to_those_that_do_not_overlap():
    labels = forward_return(BARS, horizon=4, weighting="uniqueness")
    assert labels.weight[30:90] == pytest.approx(1 / 5)
    assert np.all(next_return_sign(BARS).weight == 1.0)


def test_an_unknown_weighting_is_one_line():
    with pytest.raises(ConfigError, match=r"labels\.weighting=unique: must be one of uniform, uniqueness"):
        forward_return(BARS, weighting="unique")


@pytest.mark.parametrize("number", [0, 2])
def test_a_placebo_shuffles_within_symbols_and_touches_no_test_row(number):
    panel = panel_of(3, symbols=3)
    fold: Fold = folds_of(PurgedKFold(5), panel)[number]
    fold = Fold(number, fold.train[:-100], fold.train[-100:], fold.test)
    found = shuffled(panel, fold, seed=1)
    same = (found.y == panel.y) | np.isnan(panel.y)
    assert same[fold.test].all()
    for rows in (fold.train, fold.valid):
        assert (~same[rows]).mean() > 0.9
        for symbol in range(3):
            own = rows[panel.symbol[rows] == symbol]
            assert sorted(found.y[own]) == sorted(panel.y[own])
            pairs = {(y, r, w) for y, r, w in zip(panel.y[own], panel.ret[own], panel.weight[own], strict=True)}
            assert {(y, r, w) for y, r, w in zip(found.y[own], found.ret[own], found.weight[own], strict=True)} == pairs
    assert found.X is panel.X and found.end is panel.end
    assert np.array_equal(shuffled(panel, fold, seed=1).ret, found.ret, equal_nan=True)
    assert not np.array_equal(shuffled(panel, fold, seed=2).ret, found.ret, equal_nan=True)
