"""What the ledger held, bar by bar, and the trades that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.backtest.paths import REASONS

if TYPE_CHECKING:
    from barwise.backtest.exits import Ended
    from barwise.backtest.grid import Grid

_TRADE_COLUMNS = (
    "symbol", "side", "entry", "exit", "bars", "entry_price", "exit_price", "weight", "gross", "cost", "funding", "net",
    "ended",
)  # fmt: skip


@dataclass(frozen=True)
class Positions:
    """Arrays (bar, symbol) over the rows from `first` of the grid; shares of the account.

    `weight`: after the bar's trading. `before`, `after`: what the position earned up to the execution price of the bar,
    and from there to its close. `cost`: what trading and borrowing it cost. `traded`: |change of weight|. `decided`:
    the weight decided at the bar's close, NaN where there is no order. `closing`: at the close, before what ends there
    is closed. `flow`: what funding added to the account; None without it. `ended`: where exits ended
    positions, over the whole grid; None without them.
    """

    first: int
    weight: np.ndarray
    before: np.ndarray
    after: np.ndarray
    cost: np.ndarray
    traded: np.ndarray
    decided: np.ndarray
    closing: np.ndarray
    flow: np.ndarray | None = None
    ended: Ended | None = None

    @classmethod
    def empty(cls, grid: Grid, span: tuple[int, int], funded: bool = False) -> Positions:
        """Nothing held, room for all rows of the span."""
        shape = (span[1] + 1 - span[0], len(grid.symbols))
        return cls(span[0], *np.zeros((8 if funded else 7, *shape)))

    def note(self, row: int | slice, **values: np.ndarray) -> None:
        """Keep values by name: one bar's, or those of some bars."""
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
        `weight`: the largest held. `ended`: signal, flip, delisted, open at the last bar, or with exits stop, target,
        trailing stop or time. With funding a column of that name tells what it paid, which `net` includes.
        """
        found = [self._of_symbol(grid, s, execution) for s in range(self.weight.shape[1])]
        names = [name for name in _TRADE_COLUMNS if name in found[0]]
        columns = {name: np.concatenate([each[name] for each in found]) for name in names}
        rank = np.argsort(np.argsort(np.asarray(grid.symbols)))
        place = np.repeat(rank, [len(each["side"]) for each in found])
        order = np.lexsort((place, columns["entry"]))
        return {name: values[order].astype(_DTYPES[name]) for name, values in columns.items()}

    def _of_symbol(self, grid: Grid, s: int, execution: str) -> dict[str, np.ndarray]:
        """The trades of one symbol: each of rows `a` to `b`, at whose execution price it ended; or past the end."""
        weight, n = self.weight[:, s], len(self.weight)
        side = np.sign(weight)
        why, fill = self._exits(s)
        closed = ~np.isnan(fill) & (execution == "next_open")  # within the row's bar, after its order
        moved = np.diff(side, prepend=0.0) != 0
        moved[1:] |= closed[:-1] & (side[:-1] != 0)
        edges = np.flatnonzero(moved)
        a = edges[side[edges] != 0]
        stops = np.append(edges, n)
        b = stops[np.searchsorted(stops, a, side="right")]
        gone = np.array([t - self.first for t, ended in grid.gone.items() if s in ended], np.int64)
        delisted, still = np.isin(b - 1, gone), b == n
        inside, next_row = closed[b - 1], np.minimum(b, n - 1)
        at_close = delisted | still | inside
        last = np.where(at_close, b - 1, next_row)
        time, rows = grid.time[self.first :], slice(self.first, self.first + n)
        price = (grid.open if execution == "next_open" else grid.close)[rows, s]
        gross = _sums(self.after[:, s], a, b) + _sums(self.before[:, s], a + 1, next_row + 1)
        closing = self._closing(s)
        cost = _sums(self.cost[:, s], a, b) - closing[a]
        cost = np.where(at_close, cost, cost + closing[next_row])
        bars = np.concatenate([[0], np.cumsum(grid.has[rows, s])])
        ended = np.where(
            delisted, "delisted", np.where(still, "open", np.where(weight[next_row] != 0, "flip", "signal"))
        )
        reason = np.where(inside, why[b - 1], np.where(still | closed[next_row], 0, why[next_row]))
        exit_price = np.where(at_close, grid.close[rows, s][last], price[last])
        exit_price = np.where(np.isnan(fill[last]) | (reason == 0), exit_price, fill[last])
        funding = {} if self.flow is None else {"funding": _sums(self.flow[:, s], a, b)}
        net = gross - cost if self.flow is None else gross + funding["funding"] - cost
        return {
            "symbol": np.full(len(a), grid.symbols[s], dtype=object), "side": side[a], "entry": time[a],
            "exit": time[last], "bars": bars[b] - bars[a], "entry_price": price[a],
            "exit_price": exit_price, "weight": _largest(np.abs(weight), a, b), "gross": gross, "cost": cost, **funding,
            "net": net, "ended": np.where(reason > 0, np.array(REASONS, dtype=object)[reason], ended).astype(object),
        }  # fmt: skip

    def _exits(self, s: int) -> tuple[np.ndarray, np.ndarray]:
        """Why and at which price within the bar exits ended a symbol's position, per row."""
        rows = slice(self.first, self.first + len(self.weight))
        if self.ended is None:
            return np.zeros(len(self.weight), np.int8), np.full(len(self.weight), np.nan)
        return self.ended.why[rows, s], self.ended.fill[rows, s]

    def _closing(self, s: int) -> np.ndarray:
        """Per row, the part of the cost that closed what was held before: all of it where nothing was opened."""
        traded, opened = self.traded[:, s], np.abs(self.weight[:, s])
        both = (traded > 0) & (opened < traded)
        both[0] = False
        return np.where(both, self.cost[:, s] * (1.0 - opened / np.where(both, traded, 1.0)), 0.0)


def _sums(values: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """`values[begin:end].sum()` of each pair; stretches that follow each other and do not overlap."""
    if not len(begin):
        return np.zeros(0)
    padded = np.append(np.insert(values, begin, 0.0), 0.0)  # from 0 on, as `sum` adds
    number = np.arange(len(begin))
    edges = np.stack([begin + number, end + number + 1], axis=1).ravel()
    found: np.ndarray = np.add.reduceat(padded, edges)[::2]
    return found


def _largest(values: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """`values[begin:end].max()` of each pair, as `sums` takes them."""
    if not len(begin):
        return np.zeros(0)
    found: np.ndarray = np.maximum.reduceat(np.append(values, 0.0), np.stack([begin, end], axis=1).ravel())[::2]
    return found


_DTYPES: dict[str, Any] = {
    "symbol": object, "side": np.int8, "entry": "datetime64[ns]", "exit": "datetime64[ns]", "bars": np.int64,
    "entry_price": np.float64, "exit_price": np.float64, "weight": np.float64, "gross": np.float64,
    "cost": np.float64, "funding": np.float64, "net": np.float64, "ended": object,
}  # fmt: skip
