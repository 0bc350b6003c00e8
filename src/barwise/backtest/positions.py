"""What the ledger held, bar by bar, and the trades that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from barwise.backtest.grid import Grid

TRADE_COLUMNS = (
    "symbol", "side", "entry", "exit", "bars", "entry_price", "exit_price", "weight", "gross", "cost", "net", "ended",
)  # fmt: skip


@dataclass(frozen=True)
class Positions:
    """Arrays (bar, symbol) over the rows from `first` of the grid; shares of the account.

    `weight`: after the bar's trading. `before`, `after`: what the position earned up to the execution price of the bar,
    and from there to its close. `cost`: what trading and borrowing it cost. `traded`: |change of weight|. `decided`:
    the weight decided at the bar's close, NaN where there is no order. `closing`: at the close, before what ends there
    is closed.
    """

    first: int
    weight: np.ndarray
    before: np.ndarray
    after: np.ndarray
    cost: np.ndarray
    traded: np.ndarray
    decided: np.ndarray
    closing: np.ndarray

    @classmethod
    def empty(cls, grid: Grid, span: tuple[int, int]) -> Positions:
        """Nothing held, room for all rows of the span."""
        return cls(span[0], *np.zeros((7, span[1] + 1 - span[0], len(grid.symbols))))

    def note(self, row: int, **values: np.ndarray) -> None:
        """Keep one bar's values by name."""
        for name, each in values.items():
            getattr(self, name)[row] = each

    def columns(self, grid: Grid) -> dict[str, np.ndarray]:
        """positions.parquet: time, symbol and weight where something was held."""
        rows, columns = np.nonzero(self.weight)
        names = np.asarray(grid.symbols, dtype=object)[columns]
        return {"time": grid.time[self.first + rows], "symbol": names, "weight": self.weight[rows, columns]}

    def trades(self, grid: Grid, execution: str) -> dict[str, np.ndarray]:
        """trades.parquet: one row a trade, from flat or the other side to flat or the other side, by entry and symbol.

        `gross` and `cost`: what it added to the account and took from it, as sums of shares; `net` is their difference.
        `weight`: the largest held. `ended`: signal, flip, delisted, or open at the last bar.
        """
        found = [trade for s in range(self.weight.shape[1]) for trade in self._of_symbol(grid, s, execution)]
        found.sort(key=lambda trade: (trade["entry"], trade["symbol"]))
        return {name: np.array([t[name] for t in found], dtype=_DTYPES[name]) for name in TRADE_COLUMNS}

    def _of_symbol(self, grid: Grid, s: int, execution: str) -> list[dict[str, Any]]:
        side = np.sign(self.weight[:, s])
        edges = np.flatnonzero(np.diff(side, prepend=0.0))
        starts = edges[side[edges] != 0]
        stops = np.append(edges, len(side))
        price = (grid.open if execution == "next_open" else grid.close)[self.first :, s]
        gone = {t - self.first for t, ended in grid.gone.items() if s in ended}
        return [
            self._trade(grid, s, int(a), int(stops[np.searchsorted(stops, a, side="right")]), price, gone)
            for a in starts
        ]

    def _trade(self, grid: Grid, s: int, a: int, b: int, price: np.ndarray, gone: set[int]) -> dict[str, Any]:
        """The trade of rows a to b, at whose execution price it ended; b is past the end for one that is open."""
        time, n = grid.time[self.first :], len(self.weight)
        delisted, is_open = b - 1 in gone, b == n
        last = b - 1 if delisted or is_open else b
        gross = self.after[a:b, s].sum() + self.before[a + 1 : min(b, n - 1) + 1, s].sum()
        cost = self.cost[a:b, s].sum() - self._closing(s, a)
        if not is_open and not delisted:
            cost += self._closing(s, b)
        flip = not is_open and self.weight[b, s] != 0
        ended = "delisted" if delisted else "open" if is_open else "flip" if flip else "signal"
        at_close = delisted or is_open
        exit_price = grid.close[self.first + last, s] if at_close else price[last]
        return {
            "symbol": grid.symbols[s], "side": int(np.sign(self.weight[a, s])), "entry": time[a], "exit": time[last],
            "bars": int(np.count_nonzero(grid.has[self.first + a : self.first + b, s])), "entry_price": float(price[a]),
            "exit_price": float(exit_price), "weight": float(np.abs(self.weight[a:b, s]).max()), "gross": float(gross),
            "cost": float(cost), "net": float(gross - cost), "ended": ended,
        }  # fmt: skip

    def _closing(self, s: int, row: int) -> float:
        """The part of a bar's cost that closed what was held before it: all of it where nothing was opened."""
        traded, opened = self.traded[row, s], abs(self.weight[row, s])
        if row == 0 or traded <= 0 or opened >= traded:
            return 0.0
        return float(self.cost[row, s] * (1.0 - opened / traded))


_DTYPES: dict[str, Any] = {
    "symbol": object, "side": np.int8, "entry": "datetime64[ns]", "exit": "datetime64[ns]", "bars": np.int64,
    "entry_price": np.float64, "exit_price": np.float64, "weight": np.float64, "gross": np.float64,
    "cost": np.float64, "net": np.float64, "ended": object,
}  # fmt: skip
