"""Alpha158 against qlib's own values, and against plain pandas."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data.bars import Bars
from barwise.errors import ConfigError
from barwise.features.alpha158 import _ALPHA20, alpha20, alpha158
from tests.reference.alpha158 import plain_alpha158

ORACLE = Path(__file__).parents[1] / "reference" / "alpha158_oracle.parquet"  # qlib 0.9.7's values, float32
FULL = 60  # qlib's windows start short; ours are NaN until they are full


@pytest.fixture(scope="module")
def oracle() -> dict[str, tuple[Bars, pd.DataFrame]]:
    found = {}
    for symbol, table in pd.read_parquet(ORACLE).groupby("symbol"):
        columns = [table[name].to_numpy(float) for name in ("open", "high", "low", "close", "volume")]
        found[symbol] = Bars(symbol, table.time.to_numpy().astype("datetime64[ns]"), *columns), table
    return found


def test_the_columns_are_qlibs(oracle):
    bars, table = next(iter(oracle.values()))
    names = set(table.columns) - {"symbol", "time", "open", "high", "low", "close", "volume"}
    assert set(alpha158(bars)) == names and len(names) == 158


def test_values_are_qlibs_to_a_hundred_thousandth_of_the_columns_scale(oracle):
    compared = 0
    for bars, table in oracle.values():
        for name, values in alpha158(bars).items():
            expected, found = table[name].to_numpy(float)[FULL:], values[FULL:]
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=name)
            scale = np.nanmax(np.abs(expected))
            assert np.nanmax(np.abs(found - expected)) <= 1e-5 * scale, name
            compared += np.isfinite(expected).sum()
    assert compared > 3 * 300 * 158


def test_values_are_plain_pandas_to_a_billionth(oracle):
    bars, table = oracle["S0001"]
    series = [table[name].astype(float).reset_index(drop=True) for name in ("open", "high", "low", "close", "volume")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        plain = plain_alpha158(*series)
    for name, values in alpha158(bars).items():
        expected = plain[name].to_numpy()
        np.testing.assert_array_equal(np.isnan(values), np.isnan(expected), err_msg=name)
        np.testing.assert_allclose(
            values, expected, rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(expected)), equal_nan=True, err_msg=name
        )


def test_alpha20_is_a_part_of_it(oracle):
    bars, _ = oracle["S0002"]
    whole, part = alpha158(bars), alpha20(bars)
    assert tuple(part) == _ALPHA20
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name], err_msg=name)


def test_vwap_of_the_source_is_used_where_there_is_one(oracle):
    bars, _ = oracle["S0000"]
    with_vwap = replace(bars, extra={"vwap": bars.close * 1.5})
    np.testing.assert_allclose(alpha158(with_vwap)["VWAP0"], 1.5)


def test_a_gap_or_a_short_history_is_nan_where_the_window_meets_it_and_nowhere_else(oracle):
    bars, _ = oracle["S0000"]
    holed = replace(bars, close=np.where(np.arange(len(bars)) == 100, np.nan, bars.close))
    whole, found = alpha158(bars), alpha158(holed)
    for name, values in found.items():
        np.testing.assert_allclose(values[162:], whole[name][162:], rtol=1e-9, atol=1e-12, err_msg=name)
    short = alpha158(bars.take(slice(0, 7)))
    assert len(short) == 158 and np.isnan(short["MA10"]).all() and np.isfinite(short["MA5"][4:]).all()


@pytest.mark.parametrize("windows", [[1], [5, 0], [2.5], "5"])
def test_a_wrong_window_is_one_line(oracle, windows):
    bars, _ = oracle["S0000"]
    with pytest.raises(ConfigError, match=r"^features\.alpha158\.windows=.*must be"):
        alpha158(bars, windows)
