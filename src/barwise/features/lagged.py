"""Lagged returns and rolling moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import talib

from barwise.console.settings import LONGEST, Whole, checked
from barwise.data.bars import Bars
from barwise.features import rolling
from barwise.features.technical import contiguous, relative_strength

_WINDOWS = (5, 10, 20)
COLUMNS = 1000  # lags at most: each is a column of the matrix


@checked("features.lagged")
def lagged(
    bars: Bars,
    feature_lookback: Annotated[int, Whole(1, COLUMNS)] = 20,
    windows: Sequence[Annotated[int, Whole(3, LONGEST)]] = _WINDOWS,
) -> dict[str, np.ndarray]:
    """`return_lag_i` (over i bars, i = 1 to feature_lookback), moments of returns, `rsi`, `macd`, `volume_ratio`.

    The moments are `mean_return_n`, `std_return_n` and `skew_return_n`; the skewness is NaN where nothing varies.
    RSI over 14 bars, MACD 12/26, volume over its mean of 20 bars. ConfigError for a window below 3.
    """
    close = contiguous(bars.close)
    out = {f"return_lag_{i}": rolling.change(close, i) for i in range(1, feature_lookback + 1)}
    returns = rolling.change(close)
    for n in windows:
        out[f"mean_return_{n}"] = rolling.mean(returns, n)
        out[f"std_return_{n}"] = rolling.std(returns, n)
        out[f"skew_return_{n}"] = rolling.skew(returns, n)
    out["rsi"] = relative_strength(close)
    out["macd"] = talib.MACD(close)[0]
    out["volume_ratio"] = rolling.ratio(bars.volume, rolling.mean(bars.volume, 20))
    return out
