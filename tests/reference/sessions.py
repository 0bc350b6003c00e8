"""Trades that end with their session, by hand: one row at a time, from the calendar's columns."""

from __future__ import annotations

import numpy as np

from barwise.data.bars import Bars
from barwise.labels import past_volatility

NAT = np.datetime64("NaT", "ns")


def exit_by_hand(bars: Bars, row: int, horizon: int, execution: str) -> tuple[int, str] | None:
    """The row and the price at which a trade decided at `row` ends; None where it is not known."""
    number, left, n = bars.extra["session_number"], bars.extra["session_left"], len(bars)
    price = "open" if execution == "next_open" else "close"
    entry, planned = row + 1, row + 1 + horizon
    if entry >= n:
        return None
    for t in range(entry, n):
        if number[t] != number[entry]:
            return None  # the session's last bar is missing
        if t == planned:
            return t, price
        if left[t] == 0:
            return None if (t == entry and price == "close") else (t, "close")
    return None


def held_by_hand(bars: Bars, horizon: int, execution: str) -> tuple[np.ndarray, np.ndarray]:
    price = bars.open if execution == "next_open" else bars.close
    ret, end = np.full(len(bars), np.nan), np.full(len(bars), NAT)
    for row in range(len(bars)):
        found = exit_by_hand(bars, row, horizon, execution)
        if found:
            ret[row], end[row] = getattr(bars, found[1])[found[0]] / price[row + 1] - 1, bars.time[found[0]]
    return ret, end


def barrier_by_hand(bars: Bars, horizon: int, width: float, window: int, execution: str) -> np.ndarray:
    """Returns of barriers as far above as below."""
    ret, _ = held_by_hand(bars, horizon, execution)
    volatility = past_volatility(bars.close, window) * np.sqrt(horizon) * width
    first = 1 if execution == "next_open" else 2
    number = bars.extra["session_number"]
    for row in range(len(bars) - 1):
        entry = (bars.open if execution == "next_open" else bars.close)[row + 1]
        if not np.isfinite(volatility[row]):
            ret[row] = np.nan
            continue
        for step in range(first, horizon + 1 + (execution == "next_close")):
            t = row + step
            if t >= len(bars) or number[t] != number[row + 1]:
                break
            jump = bars.open[t] / entry - 1
            low, high = bars.low[t] / entry - 1, bars.high[t] / entry - 1
            reach = (
                -volatility[row] if low <= -volatility[row] else volatility[row] if high >= volatility[row] else None
            )
            if reach is not None:
                through = (execution == "next_close" or step > first) and (jump - reach) * np.sign(reach) > 0
                ret[row] = jump if through else reach
                break
    return ret
