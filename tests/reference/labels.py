"""Labels one bar at a time, as their definitions word them."""

from __future__ import annotations

import math

from barwise.data.bars import Bars


def plain_forward(bars: Bars, t: int, horizon: int, execution: str) -> tuple[float, int | None]:
    """Return of a trade decided at t, and the row of its last price."""
    price = bars.open if execution == "next_open" else bars.close
    if t + 1 + horizon >= len(bars):
        return math.nan, None
    return price[t + 1 + horizon] / price[t + 1] - 1, t + 1 + horizon


def plain_triple(
    bars: Bars, t: int, horizon: int, up: float, down: float, window: int, execution: str
) -> tuple[float, float, int | None]:
    """(y, ret, row of the end) of the barrier that a trade decided at t touches first."""
    ret, end = plain_forward(bars, t, horizon, execution)
    if t < window or t + 1 >= len(bars):
        return math.nan, math.nan, None
    returns = [bars.close[i] / bars.close[i - 1] - 1 for i in range(t - window + 1, t + 1)]
    mean = sum(returns) / window
    sigma = math.sqrt(sum((r - mean) ** 2 for r in returns) / (window - 1)) * math.sqrt(horizon)
    entry = (bars.open if execution == "next_open" else bars.close)[t + 1]
    first = t + 1 if execution == "next_open" else t + 2
    last = t + horizon if execution == "next_open" else t + 1 + horizon
    for i in range(first, min(last, len(bars) - 1) + 1):
        for side, touched, reach in (
            (-1.0, bars.low[i] <= entry * (1 - down * sigma), -down * sigma),
            (1.0, bars.high[i] >= entry * (1 + up * sigma), up * sigma),
        ):
            if touched:
                jump = bars.open[i] / entry - 1
                beyond = i > t + 1 and (jump - reach) * side > 0
                return side, jump if beyond else reach, i
    return (0.0, ret, end) if end is not None else (math.nan, math.nan, None)
