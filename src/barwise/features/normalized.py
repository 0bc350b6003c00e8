"""The default set: the plain sets' information relative to price and volume, so that several symbols share a model."""

from __future__ import annotations

import numpy as np
import talib

from barwise.data.bars import Bars
from barwise.features import rolling
from barwise.features.microstructure import has_quotes
from barwise.features.technical import bollinger, contiguous, relative_strength

_RETURNS, _AVERAGES, _SPREADS, _POSITIONS = (1, 2, 3, 5, 10, 20, 60), (10, 20, 50, 200), (5, 20, 60), (20, 50)


def normalized(bars: Bars) -> dict[str, np.ndarray]:
    """Returns, ratios, ranges and oscillators without a unit; no column tells the price level or the symbol.

    Levels of the plain sets appear relative to close (averages, bands, MACD, ATR, ranges) or to their own mean
    (volume, dollar volume), and are the same for prices and volumes in any unit. Returns over n bars are divided by
    √n, which leaves the scale of one bar. The place in a range, band or bar of one price is the middle.
    """
    close = contiguous(bars.close)
    daily = rolling.change(close)
    out = {f"return_{n}": rolling.change(close, n) / np.sqrt(n) for n in _RETURNS}
    out |= {f"ma_gap_{n}": rolling.ratio(close, x) - 1.0 for n, x in rolling.means(close, _AVERAGES).items()}
    out |= {f"volatility_{n}": x for n, x in rolling.stds(daily, _SPREADS).items()}
    out["volatility_ratio"] = rolling.ratio(out["volatility_5"], out["volatility_60"])
    for n in _POSITIONS:
        out[f"price_position_{n}"] = rolling.share(close, rolling.lowest(bars.low, n), rolling.highest(bars.high, n))
    return out | _volume(bars, daily) | _indicators(bars, close) | _bar(bars, close)


def _volume(bars: Bars, daily: np.ndarray) -> dict[str, np.ndarray]:
    """Defined at a volume of 0 too, unless the mean is 0: the logarithm takes one mean on top."""
    dollars, month = bars.close * bars.volume, rolling.mean(bars.volume, 20)
    step = rolling.ratio(bars.volume - rolling.before(bars.volume), month)
    return {
        "volume_ratio": rolling.ratio(bars.volume, month) - 1.0,
        "volume_trend": rolling.ratio(rolling.mean(bars.volume, 5), rolling.mean(bars.volume, 60)) - 1.0,
        "log_dollar_volume": np.log((1.0 + rolling.ratio(dollars, rolling.mean(dollars, 60))) / 2.0),
        "volume_price_corr": rolling.correlation(daily, step, 20),
    }


def _indicators(bars: Bars, close: np.ndarray) -> dict[str, np.ndarray]:
    macd, macd_signal, macd_hist = talib.MACD(close)
    upper, middle, lower = bollinger(close)
    return {
        "rsi_14": relative_strength(close) / 100.0 - 0.5,
        "macd": macd / close,
        "macd_signal": macd_signal / close,
        "macd_hist": macd_hist / close,
        "bb_width": rolling.ratio(upper - lower, middle),
        "bb_position": rolling.share(close, lower, upper) - 0.5,
        "atr_14": talib.ATR(contiguous(bars.high), contiguous(bars.low), close, timeperiod=14) / close,
    }


def _bar(bars: Bars, close: np.ndarray) -> dict[str, np.ndarray]:
    out = {
        "overnight": rolling.ratio(bars.open, rolling.before(close)) - 1.0,
        "intraday": rolling.ratio(close, bars.open) - 1.0,
        "range": rolling.ratio(bars.high - bars.low, close),
        "close_position": rolling.share(close, bars.low, bars.high),
    }
    if has_quotes(bars):
        spread, mid = bars.extra["ask"] - bars.extra["bid"], (bars.extra["ask"] + bars.extra["bid"]) / 2
        out["spread"] = rolling.ratio(spread, mid)
        out["spread_ratio"] = rolling.ratio(spread, rolling.mean(spread, 20))
    return out
