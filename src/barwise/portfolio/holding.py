"""When a portfolio gives orders and for how long it holds: rebalancing, tranches, and the drift of weights between."""

from __future__ import annotations

import numpy as np

from barwise.portfolio.context import Context

CALENDAR = ("daily", "weekly", "monthly", "quarterly")


def order_rows(time: np.ndarray, rebalance: int | str) -> np.ndarray:
    """Which rows give orders: every k-th from the first row, or the first row of a week, month or quarter."""
    if isinstance(rebalance, int):
        found: np.ndarray = np.arange(len(time)) % rebalance == 0
        return found
    if rebalance == "daily":
        period = time.astype("datetime64[D]").astype(np.int64)
    elif rebalance == "weekly":
        period = (time.astype("datetime64[D]").astype(np.int64) + 3) // 7  # weeks begin on Mondays
    else:
        months = time.astype("datetime64[M]").astype(np.int64)
        period = months if rebalance == "monthly" else months // 3
    return np.append(True, period[1:] != period[:-1])


def averaged(weights: np.ndarray, has: np.ndarray, bars: int, session: np.ndarray | None = None) -> np.ndarray:
    """The mean of each symbol's weights over its last `bars` own bars, of which those before its first count as 0, and
    with `session` (time, symbol) those that are traded in another one."""
    if bars <= 1:
        return weights
    out = np.zeros(weights.shape)
    for s in range(weights.shape[1]):
        rows = np.flatnonzero(has[:, s])
        own = weights[rows, s]
        total = own.copy()
        for late in range(1, min(bars, len(own))):  # summed anew: a running sum leaves specks where all is 0
            before = own[:-late]
            if session is not None:
                before = np.where(session[rows[late:], s] == session[rows[:-late], s], before, 0.0)
            total[late:] += before
        out[rows, s] = total / bars
    return out


def drifted(held: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """Weights after one bar's price ratios, as shares of the account that they made."""
    after = held * growth
    found: np.ndarray = after / max(1e-12, 1.0 + float((after - held).sum()))
    return found


def growth_of(context: Context) -> np.ndarray:
    """(time, symbol): what a bar makes of a weight before it is a share again; 1 without a return."""
    return 1.0 + np.where(context.has & np.isfinite(context.returns), context.returns, 0.0)


def holding_bars(time: np.ndarray, end: np.ndarray, symbol: np.ndarray) -> int:
    """The median number of a symbol's own bars from a label's decision to its end, less the bar of the execution.

    Rows of a panel, ordered by symbol and time; 1 where no row has a label.
    """
    found = []
    for s in np.unique(symbol):
        own = np.flatnonzero(symbol == s)
        known = ~np.isnat(end[own])
        last = np.searchsorted(time[own], end[own][known])
        found.append(last - np.flatnonzero(known) - 1)
    bars = np.concatenate(found) if found else np.zeros(0)
    return max(1, int(np.median(bars))) if len(bars) else 1
