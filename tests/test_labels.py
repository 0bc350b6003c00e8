"""Labels against their definitions, one bar at a time; what a label knows, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.errors import ConfigError
from barwise.labels import forward_return, next_return_sign, past_volatility, triple_barrier
from tests.backtest.markets import market
from tests.reference.labels import plain_forward, plain_triple

EXECUTIONS = ("next_open", "next_close")


def ends_of(bars, labels) -> list[int | None]:
    return [None if np.isnat(e) else int(np.searchsorted(bars.time, e)) for e in labels.end]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), horizon=st.integers(1, 20), execution=st.sampled_from(EXECUTIONS))
def test_forward_return(seed, horizon, execution):
    bars = market(seed, 1, 40, 0.2)[0]
    labels = forward_return(bars, horizon, execution)
    expected = [plain_forward(bars, t, horizon, execution) for t in range(len(bars))]
    np.testing.assert_allclose(labels.ret, [ret for ret, _ in expected], rtol=1e-12)
    np.testing.assert_array_equal(labels.y, labels.ret)
    assert ends_of(bars, labels) == [end for _, end in expected]


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_next_return_sign_is_the_sign_of_the_return_of_one_bar(execution):
    bars = market(3, 1, 30, 0.0)[0]
    bars = replace(bars, open=np.round(bars.open), close=np.round(bars.close))  # some returns are 0
    labels = next_return_sign(bars, execution)
    np.testing.assert_allclose(labels.ret, forward_return(bars, 1, execution).ret)
    np.testing.assert_array_equal(labels.y, np.sign(labels.ret))
    assert set(labels.y[np.isfinite(labels.y)]) == {-1.0, 0.0, 1.0}
    assert np.isnan(labels.y[-2:]).all() and np.isfinite(labels.y[:-2]).all() and (labels.weight == 1).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    horizon=st.integers(1, 20),
    up=st.floats(0.2, 3),
    down=st.floats(0.2, 3),
    execution=st.sampled_from(EXECUTIONS),
)
def test_triple_barrier(seed, horizon, up, down, execution):
    bars = market(seed, 1, 60, 0.1)[0]
    labels = triple_barrier(bars, horizon, up, down, 5, execution)
    expected = [plain_triple(bars, t, horizon, up, down, 5, execution) for t in range(len(bars))]
    np.testing.assert_array_equal(labels.y, [y for y, _, _ in expected])
    np.testing.assert_allclose(labels.ret, [ret for _, ret, _ in expected], rtol=1e-9, atol=1e-12)
    assert ends_of(bars, labels) == [end for _, _, end in expected]


def test_a_bar_that_touches_both_barriers_counts_as_the_lower():
    bars = market(1, 1, 40, 0.0)[0]
    wide = replace(bars, high=bars.high * 2, low=bars.low / 2)
    y = triple_barrier(wide, 5, 1.0, 1.0, 5).y
    assert set(y[np.isfinite(y)]) == {-1.0}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), cut=st.integers(30, 59), horizon=st.integers(1, 10))
def test_a_label_that_is_known_does_not_change_with_later_bars(seed, cut, horizon):
    bars = market(seed, 1, 60, 0.0)[0]
    for make in (forward_return, triple_barrier):
        whole, part = make(bars, horizon), make(bars.take(slice(0, cut)), horizon)
        known = ~np.isnat(part.end)
        np.testing.assert_array_equal(whole.ret[:cut][known], part.ret[known])
        assert (part.end[known] > bars.time[:cut][known]).all()
        assert not (~known & ~np.isnat(whole.end[:cut]) & (whole.end[:cut] <= bars.time[cut - 1])).any()


def test_past_volatility_is_that_of_the_last_returns():
    close = market(5, 1, 40, 0.0)[0].close
    found = past_volatility(close, 7)
    assert np.isnan(found[:7]).all()
    for t in range(7, 40):
        returns = np.diff(close[t - 7 : t + 1]) / close[t - 7 : t]
        assert found[t] == pytest.approx(returns.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "wrong", "words"),
    [
        (forward_return, {"horizon": 0}, "labels.horizon=0: must be a whole number of 1 or more"),
        (forward_return, {"execution": "now"}, "labels.execution=now: must be one of next_open, next_close"),
        (forward_return, {"weighting": "x"}, "labels.weighting=x: must be one of uniform, uniqueness"),
        (triple_barrier, {"up": 0}, "labels.up=0"),
        (triple_barrier, {"volatility_window": 1}, "labels.volatility_window=1"),
    ],
)
def test_a_wrong_setting_is_one_line(make, wrong, words):
    with pytest.raises(ConfigError, match=rf"^{words}"):
        make(market(0, 1, 20, 0.0)[0], **wrong)
