"""The same bars under other names and dates: what was kept of them, or looked up, is not found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barwise.data.bars import Bars
from barwise.features.aligned import AlignedBars
from barwise.samples import Panel

CYCLE = np.timedelta64(10_227, "D")  # 28 years: weekdays, months and leap years come back the same until 2100
_LATEST = np.datetime64("2071", "ns")


def disguised(bars: Bars, number: int, named: bool = True, dated: bool = True) -> Bars:
    """The bars under another name, 28 years later (earlier where that leaves the cycle of leap years)."""
    symbol = disguise(number) if named else bars.symbol
    return replace(bars, symbol=symbol, time=bars.time + away(bars.time) if dated else bars.time)


def disguised_market(market: AlignedBars, named: bool = True, dated: bool = True) -> AlignedBars:
    """All symbols of a market under other names and dates."""
    symbols = tuple(disguise(i) for i in range(len(market.symbols))) if named else market.symbols
    return replace(market, symbols=symbols, time=market.time + away(market.time) if dated else market.time)


def disguised_panel(panel: Panel) -> Panel:
    """A panel whose symbols have other names, at other dates."""
    names, shift = tuple(disguise(i) for i in range(len(panel.symbols))), away(np.sort(panel.time))
    return replace(panel, symbols=names, time=panel.time + shift, end=panel.end + shift)


def disguise(number: int) -> str:
    return f"\u00b7{number:05d}"


def away(time: np.ndarray) -> np.timedelta64:
    return CYCLE if not len(time) or time[-1] < _LATEST else -CYCLE
