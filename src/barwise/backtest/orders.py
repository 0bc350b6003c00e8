"""Orders, from the weights that were decided: capped, counted as trades, and ended inside bars by fills."""

from __future__ import annotations

import numpy as np

from barwise.backtest.account import ROUNDING
from barwise.backtest.grid import Grid, gross_sums


def capped(target: np.ndarray, most: float) -> np.ndarray:
    """Orders with each row (of a time) scaled down whose Σ|weight| is above `most`; not one that lacks an order."""
    if np.fmax.reduce(np.abs(target), axis=None, initial=0.0) * target.shape[1] <= most:
        return target
    gross = gross_sums(target)
    above = gross > most * ROUNDING
    if above.any():
        target = target * np.where(above, most / np.where(above, gross, 1.0), 1.0)[:, None]
    return target


def trades(grid: Grid, ordered: np.ndarray, span: tuple[int, int], execution: str) -> int:
    """How often a symbol's ordered signal changes, from flat on, the closing at its last bar included."""
    first, last = span
    ordered = ordered[first : last + 1].copy()
    ordered[0] = np.nan
    closed = 0
    for row, ended in grid.gone.items():
        if first < row <= last:
            final = ordered[row - first, ended]
            if execution == "next_open":
                closed += int(np.count_nonzero(np.nan_to_num(final)))
            else:
                ordered[row - first, ended] = 0.0
    known = ~np.isnan(ordered)
    if known[1:].all():
        return closed + int(np.count_nonzero(ordered[1:2]) + np.count_nonzero(ordered[2:] != ordered[1:-1]))
    last_known = np.maximum.accumulate(np.where(known, np.arange(len(ordered))[:, None], 0), axis=0)
    standing = np.nan_to_num(np.take_along_axis(ordered, last_known, axis=0))
    return closed + int(np.count_nonzero(np.diff(standing, axis=0)))


def filled(
    grid: Grid, execution: str, fill: np.ndarray, drifts: tuple[np.ndarray, np.ndarray]
) -> tuple[tuple[np.ndarray, np.ndarray], dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Price ratios to and from the execution price where positions end inside bars at `fill`; what ends after each row
    at its last price; and those of them whose symbol has its last bar there."""
    to_price, to_close = drifts
    rows, columns = np.nonzero(~np.isnan(fill))
    if execution != "next_open":
        to_price = to_price.copy()
        to_price[rows, columns] += (fill - grid.close)[rows, columns] / grid.before[rows, columns]
        return (to_price, to_close), grid.gone, grid.gone
    to_close = to_close.copy()
    to_close[rows, columns] = fill[rows, columns] / grid.open[rows, columns]
    cut = np.flatnonzero(np.diff(rows)) + 1
    ends = {int(r[0]): c for r, c in zip(np.split(rows, cut), np.split(columns, cut), strict=True) if len(r)}
    gone = {t: np.setdiff1d(ended, ends.get(t, ended[:0])) for t, ended in grid.gone.items()}
    return (to_price, to_close), ends | {t: np.union1d(c, ends.get(t, c)) for t, c in gone.items()}, gone
