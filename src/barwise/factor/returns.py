"""What a trade decided at each bar earns over so many of the symbol's own bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from barwise.backtest.grid import Grid


@dataclass(frozen=True)
class Forward:
    """Returns from the execution price after each bar on: `execution` is next_open or next_close, as in labels."""

    grid: Grid
    execution: str = "next_open"

    @cached_property
    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows of each symbol's own bars, then the others; execution prices in that order, NaN past its last)."""
        grid = self.grid
        price = grid.close if self.execution == "next_close" else grid.open
        price = np.where(grid.has & (price > 0), price, np.nan)
        if grid.complete.all():
            return np.zeros((0, 0), np.int64), price
        order = np.argsort(~grid.has, axis=0, kind="stable")
        return order, np.take_along_axis(price, order, axis=0)

    def over(self, bars: int, rows: np.ndarray | None = None) -> np.ndarray:
        """(row, symbol) of some `rows`, or of all: the return over `bars` own bars of a trade decided at the bar; NaN
        where it has no end yet."""
        order, price = self._own
        rows = np.arange(len(price)) if rows is None else rows
        if not len(order):
            ended = rows + bars + 1 < len(price)
            found = np.full((len(rows), price.shape[1]), np.nan)
            if ended.any():
                found[ended] = price[rows[ended] + bars + 1] / price[rows[ended] + 1] - 1.0
            return found
        own = np.full(price.shape, np.nan)
        if bars + 1 < len(price):
            own[: -bars - 1] = price[bars + 1 :] / price[1:-bars] - 1.0
        out = np.empty(own.shape)
        np.put_along_axis(out, order, own, axis=0)
        return out[rows]

    @cached_property
    def past(self) -> np.ndarray:
        """(bar, symbol): close over the symbol's own close before; NaN without."""
        grid = self.grid
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(grid.has & (grid.before > 0), grid.close / grid.before - 1.0, np.nan)

    def momentum(self, long: int, short: int) -> np.ndarray:
        """(bar, symbol): close `short` own bars ago over that of `long` bars ago, less 1."""
        close = self.grid.close
        if self.grid.complete.all():
            recent, old = close, close
        else:
            order = self._own[0]
            recent = old = np.take_along_axis(np.where(self.grid.has, close, np.nan), order, axis=0)
        own = np.full(close.shape, np.nan)
        if long < len(close):
            own[long:] = recent[long - short : len(close) - short] / old[: len(close) - long] - 1.0
        if self.grid.complete.all():
            return own
        out = np.empty(own.shape)
        np.put_along_axis(out, self._own[0], own, axis=0)
        return out
