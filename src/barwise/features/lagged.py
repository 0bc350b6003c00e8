"""Lagged returns and rolling moments (SEED.md's XGBoost set)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import talib

from barwise.data.bars import Bars
from barwise.errors import require
from barwise.features import rolling


def lagged(bars: Bars, feature_lookback: int = 20, windows: Sequence[int] = (5, 10, 20)) -> dict[str, np.ndarray]:
    """`return_lag_i` (the return over i bars, i to feature_lookback), rolling moments of returns, RSI, MACD, volume."""
    require(
        feature_lookback >= 1,
        f"features.lagged.feature_lookback={feature_lookback}: must be 1 or more bars; the shipped default is 20",
    )
    close = np.ascontiguousarray(bars.close)
    out = {f"return_lag_{i}": rolling.change(close, i) for i in range(1, feature_lookback + 1)}
    returns = rolling.change(close)
    for n in windows:
        out[f"mean_return_{n}"] = rolling.mean(returns, n)
        out[f"std_return_{n}"] = rolling.std(returns, n)
        out[f"skew_return_{n}"] = rolling.skew(returns, n)
    out["rsi"] = talib.RSI(close, timeperiod=14)
    out["macd"] = talib.MACD(close)[0]
    out["volume_ratio"] = rolling.ratio(bars.volume, rolling.mean(bars.volume, 20))
    return out
