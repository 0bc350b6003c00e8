"""Technical indicators, by TA-Lib where the formula is recursive."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import talib

from barwise.console.settings import Number, WideWindow, Window, checked
from barwise.data.bars import Bars
from barwise.errors import require
from barwise.features import rolling


@checked("features.technical")
def technical(
    bars: Bars,
    rsi: WideWindow = 14,
    fast: WideWindow = 12,
    slow: WideWindow = 26,
    signal: Window = 9,
    bands: WideWindow = 20,
    width: Annotated[float, Number(0.0, 100.0, above=True)] = 2.0,
    atr: Window = 14,
) -> dict[str, np.ndarray]:
    """RSI, MACD, Bollinger bands and ATR; the band position is 0.5 where the bands are one price.

    RSI, MACD and ATR are recursive: they depend on where the bars start, ever less. ConfigError for a period too short.
    """
    require(fast < slow, f"features.technical.fast={fast}: must be below slow={slow}; the shipped default is 12")
    close = contiguous(bars.close)
    macd, macd_signal, macd_hist = talib.MACD(close, fastperiod=fast, slowperiod=slow, signalperiod=signal)
    upper, middle, lower = bollinger(close, bands, width)
    return {
        f"rsi_{rsi}": relative_strength(close, rsi),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_hist": macd_hist,
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "bb_width": rolling.ratio(upper - lower, middle),
        "bb_position": rolling.share(close, lower, upper),
        f"atr_{atr}": talib.ATR(contiguous(bars.high), contiguous(bars.low), close, timeperiod=atr),
    }


def relative_strength(close: np.ndarray, period: int = 14) -> np.ndarray:
    """Wilder's RSI by TA-Lib, 0 to 100; 50, the middle, where it gives 0 because no close moved for `period` bars."""
    out = talib.RSI(close, timeperiod=period)
    still = rolling.highest(close, period + 1) == rolling.lowest(close, period + 1)
    out[(out == 0.0) & still] = 50.0
    return out


def bollinger(close: np.ndarray, period: int = 20, width: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper, middle and lower band as TA-Lib's BBANDS (ddof 0), without the rounding of its running sums."""
    middle, spread = rolling.mean(close, period), width * rolling.std(close, period, ddof=0)
    return middle + spread, middle, middle - spread


def contiguous(values: np.ndarray) -> np.ndarray:
    """What TA-Lib takes: contiguous float64."""
    return np.ascontiguousarray(values, dtype=np.float64)
