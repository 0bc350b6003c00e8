"""features=talib: any of TA-Lib's functions by name, the same values as a call of the library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import talib

from barwise.data import synthetic
from barwise.errors import ConfigError
from barwise.features.indicators import talib_functions


@pytest.fixture(scope="module")
def bars():
    return synthetic.load(n_symbols=1, n_bars=400).bars[0]


@pytest.mark.parametrize("name", talib.get_functions())
def test_each_function_gives_columns_of_the_bars_length(bars, name):
    with_periods = replace(bars, extra={"periods": np.full(len(bars), 5.0)})
    found = talib_functions(with_periods, [name])
    assert found and all(values.shape == (400,) and values.dtype == np.float64 for values in found.values())


def test_values_are_the_librarys(bars):
    found = talib_functions(bars, [{"name": "rsi", "timeperiod": 7}, {"name": "SMA", "timeperiod": 9}, "STOCH", "OBV"])
    np.testing.assert_array_equal(found["rsi_7"], talib.RSI(bars.close, timeperiod=7))
    np.testing.assert_allclose(found["sma_9"], talib.SMA(bars.close, timeperiod=9) / bars.close - 1)
    slow, fast = talib.STOCH(bars.high, bars.low, bars.close)
    np.testing.assert_array_equal(found["stoch_slowk"], slow)
    np.testing.assert_array_equal(found["stoch_slowd"], fast)
    np.testing.assert_array_equal(found["obv"], talib.OBV(bars.close, bars.volume))


def test_prices_as_they_are_on_request(bars):
    found = talib_functions(bars, [{"name": "SMA", "timeperiod": 9}], relative=False)
    np.testing.assert_array_equal(found["sma_9"], talib.SMA(bars.close, timeperiod=9))


def test_candlesticks_are_ones(bars):
    found = talib_functions(bars, ["CDLENGULFING", "CDLDOJI"])
    assert set(np.unique(found["cdldoji"])) <= {-1.0, 0.0, 1.0} and np.abs(found["cdldoji"]).sum() > 0


def test_inputs_are_chosen_from_columns_and_extra_ones(bars):
    with_index = replace(bars, extra={"index": bars.close[::-1].copy()})
    found = talib_functions(with_index, [{"name": "CORREL", "price0": "close", "price1": "index", "timeperiod": 20}])
    ((name, values),) = found.items()
    assert name == "correl_20_close_index"
    np.testing.assert_array_equal(values, talib.CORREL(bars.close, with_index.extra["index"], timeperiod=20))


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ([], r"functions=\[\]: must name at least one"),
        (["RSX"], r"functions=RSX: is none of TA-Lib's functions; there are .*RSI"),
        ([{"name": "RSI", "period": 3}], r"functions\.RSI\.period: no such parameter; there are timeperiod"),
        ([{"name": "RSI", "timeperiod": 0}], r"functions\.RSI: .* is refused by TA-Lib"),
        (["MAVP"], r"functions\.MAVP\.periods=periods: S0000 has no such column; it has open"),
        (["RSI", "rsi"], r"functions: rsi is there twice"),
    ],
)
def test_a_mistake_is_one_line(bars, functions, words):
    with pytest.raises(ConfigError, match=rf"^features.{words}"):
        talib_functions(bars, functions)
