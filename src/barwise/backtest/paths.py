"""Where the path of a price first touches a bound: many trades of one symbol at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barwise.backtest.grid import Grid

REASONS = ("", "stop", "target", "trailing stop", "time", "session")
_STOP, _TARGET, _TRAILING = 1, 2, 3
_FIRST, _MOST = 16, 1_000_000  # bars looked at in the first pass, and cells in any


@dataclass(frozen=True)
class Paths:
    """The own bars of one symbol: their rows of the grid, prices, and which are their session's last by the calendar
    (None without one)."""

    column: int
    rows: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    last: np.ndarray | None = None

    @classmethod
    def of(cls, grid: Grid, column: int) -> Paths:
        bars = grid.bars[column]
        left = bars.extra.get("session_left")
        rows, last = np.flatnonzero(grid.has[:, column]), None if left is None else left == 0
        return cls(column, rows, bars.open, bars.high, bars.low, bars.close, last)


@dataclass(frozen=True)
class Bounds:
    """Distances of each trade from its entry price, as fractions of it; NaN for none."""

    stop: np.ndarray
    target: np.ndarray
    trailing: np.ndarray

    def select(self, kept: np.ndarray) -> Bounds:
        return Bounds(self.stop[kept], self.target[kept], self.trailing[kept])


@dataclass(frozen=True)
class Trades:
    """Trades of one symbol in order, as own bars: the first, the end of its orders, and where it was ended before.

    `row`: -1 where nothing ended it. `price`: at which it ended inside the bar; NaN where an order at the execution
    price did.
    """

    begin: np.ndarray
    end: np.ndarray
    row: np.ndarray
    price: np.ndarray
    why: np.ndarray

    def orders(self, order: np.ndarray, execution: str, hold: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The symbol's orders with nothing held but these trades; the prices at which they end inside bars, and why."""
        n, out = len(order), self.row >= 0
        inside = out & ~np.isnan(self.price)
        through = inside & (execution == "next_open")  # what was held at the bar's open ends after it
        ends = np.where(out, self.row + through, n if hold else self.end)
        new, fill, why = np.where(np.isnan(order), np.nan, 0.0), np.full(n, np.nan), np.zeros(n, np.int8)
        steps = np.zeros(n + 1, np.int64)
        np.add.at(steps, self.begin, 1)
        np.add.at(steps, ends, -1)
        held = np.cumsum(steps[:n]) > 0
        new[held] = np.nan if hold else order[held]
        new[self.row[out & ~through]] = 0.0
        new[self.begin] = order[self.begin]
        fill[self.row[inside]], why[self.row[out]] = self.price[inside], self.why[out]
        return new, fill, why


def first_touch(
    path: Paths, side: np.ndarray, begin: np.ndarray, limit: np.ndarray, execution: str, bounds: Bounds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each trade the bar that first touches a bound before `limit`, the price it is ended at, and why; -1, NaN, 0.

    A trade bought at a bar's open lives through that bar, up to before the open of `limit`; one bought at a close from
    the next bar on, through `limit`. A bar that opens beyond a bound ends it at the open (NaN where that is the
    execution price). Of a stop and a target in one bar, the stop is taken.
    """
    late = execution != "next_open"
    entry = side * (path.close if late else path.open)[begin]
    row, price, why = np.full(len(begin), -1), np.full(len(begin), np.nan), np.zeros(len(begin), np.int8)
    last = np.minimum(limit + late, len(path.open))
    best, at, wide = entry.copy(), begin + late, _FIRST
    alive = np.flatnonzero(at < last)
    while len(alive):
        wide = max(1, min(wide, _MOST // len(alive), int((last[alive] - at[alive]).max())))
        found = _look(path, side[alive], entry[alive], best[alive], at[alive], last[alive], wide, bounds.select(alive))
        hit = found.row >= 0
        row[alive[hit]], price[alive[hit]], why[alive[hit]] = found.row[hit], found.price[hit], found.why[hit]
        best[alive], at[alive] = found.best, at[alive] + wide
        alive = alive[~hit]
        alive = alive[at[alive] < last[alive]]
        wide *= 2
    if not late:  # sold at the open, as by an order
        price[(row > begin) & (price == path.open[row])] = np.nan
    return row, price, why


@dataclass(frozen=True)
class _Seen:
    row: np.ndarray
    price: np.ndarray
    why: np.ndarray
    best: np.ndarray


def _look(
    path: Paths, side: np.ndarray, entry: np.ndarray, best: np.ndarray, at: np.ndarray, last: np.ndarray, wide: int,
    bounds: Bounds,
) -> _Seen:  # fmt: skip
    """The next `wide` bars of each trade; prices are turned so that higher is better for both sides."""
    rows = at[:, None] + np.arange(wide)
    there, rows = rows < last[:, None], np.minimum(rows, len(path.open) - 1)
    long = (side > 0)[:, None]
    opened = side[:, None] * path.open[rows]
    good = np.where(there, np.where(long, path.high[rows], -path.low[rows]), -np.inf)
    bad = np.where(there, np.where(long, path.low[rows], -path.high[rows]), np.inf)
    peak = np.maximum.accumulate(np.concatenate([best[:, None], good], axis=1), axis=1)
    fixed = np.where(np.isnan(bounds.stop), -np.inf, entry * (1.0 - side * bounds.stop))[:, None]
    trail = bounds.trailing[:, None]
    moving = np.where(np.isnan(trail), -np.inf, peak[:, :-1] * (1.0 - side[:, None] * trail))
    stop = np.maximum(fixed, moving)
    target = np.where(np.isnan(bounds.target), np.inf, entry * (1.0 + side * bounds.target))[:, None]
    stopped, reached = (bad <= stop) & there, (good >= target) & there
    hit = stopped | reached
    any_, k = hit.any(axis=1), hit.argmax(axis=1)
    i = np.arange(len(at))
    lost = stopped[i, k]
    level = np.where(lost, np.minimum(stop[i, k], opened[i, k]), np.maximum(target[:, 0], opened[i, k]))
    why = np.where(lost, np.where(moving[i, k] > fixed[:, 0], _TRAILING, _STOP), _TARGET)
    return _Seen(
        np.where(any_, at + k, -1), np.where(any_, side * level, np.nan), np.where(any_, why, 0).astype(np.int8),
        peak[:, -1],
    )  # fmt: skip
