"""The default set: SEED.md's information relative to price and volume, so that several symbols share a model."""

from __future__ import annotations

import numpy as np
import talib

from barwise.data.bars import Bars
from barwise.features import rolling

RETURNS, AVERAGES, SPREADS, POSITIONS = (1, 2, 3, 5, 10, 20, 60), (10, 20, 50, 200), (5, 20, 60), (20, 50)


def normalized(bars: Bars) -> dict[str, np.ndarray]:
    """Returns, ratios, ranges and oscillators without a unit; no column tells the price level or the symbol.

    Levels of SEED.md's sets appear relative to close (averages, bands, MACD, ATR, ranges) or to their own mean
    (volume, dollar volume). Returns over n bars are divided by √n, which leaves the scale of one bar.
    """
    high, low, close = (np.ascontiguousarray(x) for x in (bars.high, bars.low, bars.close))
    daily = rolling.change(close)
    out = {f"return_{n}": rolling.change(close, n) / np.sqrt(n) for n in RETURNS}
    out |= {f"ma_gap_{n}": rolling.ratio(close, rolling.mean(close, n)) - 1.0 for n in AVERAGES}
    out |= {f"volatility_{n}": rolling.std(daily, n) for n in SPREADS}
    out["volatility_ratio"] = rolling.ratio(out["volatility_5"], out["volatility_60"])
    for n in POSITIONS:
        out[f"price_position_{n}"] = rolling.share(close, rolling.lowest(low, n), rolling.highest(high, n))
    out |= _volume(bars, daily) | _indicators(high, low, close)
    out["overnight"] = rolling.ratio(bars.open, np.concatenate([[np.nan], close[:-1]])) - 1.0
    out["intraday"] = rolling.ratio(close, bars.open) - 1.0
    out["range"] = rolling.ratio(high - low, close)
    out["close_position"] = rolling.share(close, low, high)
    if "bid" in bars.extra and "ask" in bars.extra:
        bid, ask = bars.extra["bid"], bars.extra["ask"]
        out["spread"] = rolling.ratio(ask - bid, (ask + bid) / 2)
        out["spread_ratio"] = rolling.ratio(ask - bid, rolling.mean(ask - bid, 20))
    return out


def _volume(bars: Bars, daily: np.ndarray) -> dict[str, np.ndarray]:
    dollars = bars.close * bars.volume
    return {
        "volume_ratio": rolling.ratio(bars.volume, rolling.mean(bars.volume, 20)) - 1.0,
        "volume_trend": rolling.ratio(rolling.mean(bars.volume, 5), rolling.mean(bars.volume, 60)) - 1.0,
        "dollar_volume_ratio": rolling.ratio(dollars, rolling.mean(dollars, 60)) - 1.0,
        "volume_price_corr": rolling.correlation(daily, rolling.change(bars.volume), 20),
    }


def _indicators(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    macd, macd_signal, macd_hist = talib.MACD(close)
    upper, middle, lower = talib.BBANDS(close, timeperiod=20)
    return {
        "rsi_14": talib.RSI(close, timeperiod=14) / 100.0 - 0.5,
        "macd": macd / close,
        "macd_signal": macd_signal / close,
        "macd_hist": macd_hist / close,
        "bb_width": rolling.ratio(upper - lower, middle),
        "bb_position": rolling.share(close, lower, upper) - 0.5,
        "atr_14": talib.ATR(high, low, close, timeperiod=14) / close,
    }
