"""Bars that feature tests share: random markets and the awkward ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barwise.data.bars import Bars


def market(n: int = 320, seed: int = 0, level: float = 100.0, quotes: bool = True, symbol: str = "AAA") -> Bars:
    """A random walk with gaps between close and open, whole-number volumes and, if `quotes`, bid and ask."""
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    opened = close * np.exp(rng.normal(0, 0.01, n))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.005, n)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.005, n)))
    volume = np.round(np.exp(rng.normal(12, 0.7, n)))
    half = close * rng.uniform(1e-4, 5e-4, n)
    extra = {"bid": close - half, "ask": close + half} if quotes else {}
    time = np.datetime64("2010-01-04", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Bars(symbol, time, opened, high, low, close, volume, extra)


def still(bars: Bars, first: int, last: int) -> Bars:
    """No trade from row `first` to `last`: one price, no volume, no spread."""
    price = bars.close[first]
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, values in columns.items():
        values[first:last] = 0.0 if name == "volume" else price
    extra = {name: values.copy() for name, values in bars.extra.items()}
    for values in extra.values():
        values[first:last] = price
    return replace(bars, **columns, extra=extra)


def without_quotes(bars: Bars, rows: slice) -> Bars:
    """The same bars with NaN for bid at `rows`."""
    bid = bars.extra["bid"].copy()
    bid[rows] = np.nan
    return replace(bars, extra={**bars.extra, "bid": bid})


def collapse() -> Bars:
    """From a price of 1e9 to under 10: running sums of large values would drown the small ones."""
    bars = market(400, seed=5, level=1e9)
    fall = np.exp(-np.linspace(0, 19, 400))
    columns = {name: getattr(bars, name) * fall for name in ("open", "high", "low", "close")}
    return replace(bars, **columns, extra={name: x * fall for name, x in bars.extra.items()})


CASES = {
    "random": market(),
    "penny": market(seed=1, level=1e-4),
    "dear": market(seed=2, level=5e5),
    "collapse": collapse(),
    "no quotes": market(seed=3, quotes=False),
    "still": still(market(seed=4), 120, 190),
    "still from the start": still(market(seed=6), 0, 70),
    "missing quotes": without_quotes(market(seed=7), slice(100, 104)),
    "constant": still(market(230, seed=8), 0, 230),
    "shorter than every window": market(9),
    "one bar": market(1),
}
