"""Rolling helpers against pandas, one window at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.features import rolling

OF_PANDAS = {"mean": "mean", "std": "std", "skew": "skew", "highest": "max", "lowest": "min"}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(3, 30), st.integers(0, 10_000), st.floats(-1e3, 1e3))
def test_equals_pandas(n: int, window: int, seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    x = level + rng.normal(size=n)
    x[rng.random(n) < 0.05] = np.nan
    y = rng.normal(size=n)
    moving = pd.Series(x).rolling(window)
    for ours, theirs in OF_PANDAS.items():
        want = getattr(moving, theirs)().to_numpy()
        np.testing.assert_allclose(getattr(rolling, ours)(x, window), want, rtol=1e-6, atol=1e-6, err_msg=ours)
    want = moving.corr(pd.Series(y)).to_numpy()
    np.testing.assert_allclose(rolling.correlation(x, y, window), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("window", [3, 4, 7, 20, 63])
def test_small_values_after_large_ones_keep_their_digits(window: int) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1e12, 300), rng.normal(1e6, 1.0, 300)])
    last = x[-window:]
    centred = last - last.mean()
    assert rolling.mean(x, window)[-1] == pytest.approx(last.mean(), rel=1e-14)
    assert rolling.std(x, window)[-1] == pytest.approx(last.std(ddof=1), rel=1e-9)
    bias = np.sqrt(window * (window - 1)) / (window - 2)
    skew = bias * (centred**3).mean() / (centred**2).mean() ** 1.5
    assert rolling.skew(x, window)[-1] == pytest.approx(skew, rel=1e-6, abs=1e-6)


def test_a_row_depends_on_its_window_alone() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=200), rng.normal(size=200)
    for n in (5, 20, 50):
        assert rolling.mean(x, n)[-1] == rolling.mean(x[-n:], n)[-1]
        assert rolling.std(x, n)[-1] == rolling.std(x[-n:], n)[-1]
        assert rolling.skew(x, n)[-1] == rolling.skew(x[-n:], n)[-1]
        assert rolling.correlation(x, y, n)[-1] == rolling.correlation(x[-n:], y[-n:], n)[-1]


def test_a_window_of_one_value_has_no_spread_no_skew_and_no_correlation() -> None:
    x = np.full(50, 0.1)
    assert (rolling.std(x, 20)[19:] == 0.0).all()
    assert np.isnan(rolling.skew(x, 20)).all()
    assert np.isnan(rolling.correlation(x, np.arange(50.0), 20)).all()


def test_division_by_zero_is_undefined() -> None:
    np.testing.assert_array_equal(
        rolling.ratio(np.array([1.0, 0.0, 2.0]), np.array([0.0, 0.0, 4.0])), [np.nan, np.nan, 0.5]
    )
    np.testing.assert_array_equal(rolling.change(np.array([0.0, 0.0, 2.0, 3.0])), [np.nan, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(rolling.change(np.array([1.0, 2.0]), 5), [np.nan, np.nan])
