"""Technical indicators by TA-Lib (SEED.md's columns)."""

from __future__ import annotations

import numpy as np
import talib

from barwise.data.bars import Bars
from barwise.features import rolling


def technical(
    bars: Bars,
    rsi: int = 14,
    fast: int = 12,
    slow: int = 26,
    signal: int = 9,
    bands: int = 20,
    width: float = 2.0,
    atr: int = 14,
) -> dict[str, np.ndarray]:
    """RSI, MACD, Bollinger bands and ATR; the band position is 0.5 where the bands are one price."""
    high, low, close = (np.ascontiguousarray(x) for x in (bars.high, bars.low, bars.close))
    macd, macd_signal, macd_hist = talib.MACD(close, fastperiod=fast, slowperiod=slow, signalperiod=signal)
    upper, middle, lower = talib.BBANDS(close, timeperiod=bands, nbdevup=width, nbdevdn=width)
    return {
        f"rsi_{rsi}": talib.RSI(close, timeperiod=rsi),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_hist": macd_hist,
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "bb_width": rolling.ratio(upper - lower, middle),
        "bb_position": rolling.share(close, lower, upper),
        f"atr_{atr}": talib.ATR(high, low, close, timeperiod=atr),
    }
