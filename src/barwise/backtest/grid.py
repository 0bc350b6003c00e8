"""Prices and signals of all symbols on one grid of times, made once and traded on many times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from barwise.data.bars import COLUMNS, Bars, Universe
from barwise.data.groups import NONE, names_of, shared
from barwise.data.times import times_of
from barwise.errors import ConfigError, DataError

_SYMBOLS = 16  # that are laid side by side at once
_CELLS = 2**20  # of rows that are worked on at once
_FEW = 8  # columns, of which numpy adds up one after the other
_LONGEST = 4_000_000  # steps of a table of times; beyond it times are searched


@dataclass(frozen=True)
class Grid:
    """All symbols on the union of their times; arrays (time, symbol).

    `has`: there is a bar. `close` is carried forward where there is none, NaN before the first. `before`: the last
    close before each time. `prior`: the row of the symbol's own bar before, -1 where there is none.
    """

    time: np.ndarray
    symbols: tuple[str, ...]
    has: np.ndarray
    open: np.ndarray
    close: np.ndarray
    before: np.ndarray
    prior: np.ndarray
    universe: Universe | None = None
    bars: tuple[Bars, ...] = ()

    @classmethod
    def build(cls, bars: Sequence[Bars], universe: Universe | None = None) -> Grid:
        """The grid of `bars`, one column a symbol, in their order."""
        time = times_of(bars)
        shape = (len(time), len(bars))
        has, open_ = np.zeros(shape, bool), np.full(shape, np.nan)
        closes = np.full((len(time) + 1, len(bars)), np.nan)  # the first row: before there is any
        before, close = closes[:-1], closes[1:]
        for s in range(0, len(bars), _SYMBOLS):  # a cell is near the next symbol's, not near its own next one
            _lay(bars[s : s + _SYMBOLS], _ticks(time), has[:, s:], open_[:, s:], close[:, s:])
        prior = np.broadcast_to(np.arange(-1, len(time) - 1)[:, None], shape)
        if not has.all():
            last = np.where(has, np.arange(len(time), dtype=np.int32)[:, None], np.int32(-1))
            np.maximum.accumulate(last, axis=0, out=last)
            for rows in _row_blocks(shape):  # in place: what is read is a bar's own close, which stays
                known = np.take_along_axis(close, np.maximum(last[rows], 0), axis=0)
                close[rows] = np.where(last[rows] >= 0, known, np.nan)
            prior = np.vstack([np.full((1, len(bars)), -1, np.int32), last[:-1]])
        return cls(time, tuple(b.symbol for b in bars), has, open_, close, before, prior, universe, tuple(bars))

    def column(self, name: str, otherwise: float = np.nan) -> np.ndarray:
        """(time, symbol): a column of the bars, volume or an extra one; `otherwise` where there is no bar or column."""
        out = np.full(self.has.shape, otherwise)
        for s, b in enumerate(self.bars):
            values = b.extra.get(name) if name not in COLUMNS else getattr(b, name)
            if values is not None:
                out[self.has[:, s], s] = values
        return out

    @cached_property
    def extra_names(self) -> tuple[str, ...]:
        """The further columns that some symbol has."""
        return tuple(dict.fromkeys(name for b in self.bars for name in b.extra))

    @cached_property
    def groups(self) -> dict[str, np.ndarray]:
        """(time, symbol) codes of each group; where there is no bar the last one known, -1 before the first."""
        found = {}
        last = np.maximum.accumulate(np.where(self.has, np.arange(len(self.time))[:, None], 0), axis=0)
        for name in names_of(self.bars):
            out = np.full(self.has.shape, NONE, np.int32)
            for s, codes in enumerate(shared(name, self.bars)[0]):
                out[self.has[:, s], s] = codes
            found[name] = np.take_along_axis(out, last, axis=0)
        return found

    @cached_property
    def inside(self) -> np.ndarray:
        """(time, symbol): the symbol is in the universe, whether it has a bar or not."""
        if self.universe is None:
            return np.ones(self.has.shape, bool)
        return np.column_stack([self.universe.inside(symbol, self.time) for symbol in self.symbols])

    @cached_property
    def member(self) -> np.ndarray:
        """(time, symbol): there is a bar of a symbol that is in the universe."""
        return self.has if self.universe is None else self.has & self.inside

    @cached_property
    def members(self) -> np.ndarray:
        """(time, 1): how many symbols of the universe have a bar, 1 where none has."""
        return np.maximum(_row_sums(self.member).astype(np.int64)[:, None], 1)

    @cached_property
    def complete(self) -> np.ndarray:
        """Per time: every symbol has a bar."""
        return np.asarray(self.has.all(axis=1))

    @cached_property
    def _places(self) -> tuple[int, int, np.ndarray]:
        """Where a time's row stands: first time, common step, and a row (or -1) for each step; empty if it is long."""
        known = _ticks(self.time)
        step = int(np.gcd.reduce(np.diff(known))) if len(known) > 1 else 1
        length = int(known[-1] - known[0]) // step + 1
        if length > _LONGEST:
            return int(known[0]), step, np.zeros(0, np.int64)
        table = np.full(length, -1)
        table[(known - known[0]) // step] = np.arange(len(known))
        return int(known[0]), step, table

    def row_of(self, time: np.ndarray) -> np.ndarray:
        """The row of each time; -1 for one that no symbol has a bar at."""
        known, wanted = _ticks(self.time), _ticks(time)
        first, step, table = self._places
        if len(table):
            place = (wanted - first) * (1.0 / step)
            np.rint(place, out=place)  # times themselves are compared below
            row = table.take(place.astype(np.int64), mode="clip")
        else:
            row = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        right = known[row] == wanted
        return row if right.all() else np.where(right, row, -1)

    @cached_property
    def _by_open(self) -> tuple[np.ndarray, np.ndarray]:
        return self._ratio(self.open, self.before), self._ratio(self.close, self.open)

    @cached_property
    def _by_close(self) -> tuple[np.ndarray, np.ndarray]:
        return self._ratio(self.close, self.before), np.ones((len(self.time), 1))

    def _ratio(self, price: np.ndarray, over: np.ndarray) -> np.ndarray:
        """(time, symbol) `price` over another one; 1 where there is no bar, or either is unknown."""
        with np.errstate(invalid="ignore"):
            found: np.ndarray = price / over
        for rows in _row_blocks(found.shape):
            found[rows][~np.isfinite(found[rows]) | ~self.has[rows]] = 1.0
        return found

    def forget_drifts(self) -> None:
        """Let go of the price ratios, which nothing but trading reads; they are made again where it goes on."""
        for name in ("_by_open", "_by_close"):
            self.__dict__.pop(name, None)

    def drift(self, execution: str, dividends: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Price ratios from the close before to the execution price, and on to the close; 1 without. With what the
        column `dividends` pays a share to who held it at the close before.

        ConfigError where no symbol has such a column.
        """
        to_price, to_close = self._by_open if execution == "next_open" else self._by_close
        if dividends is None:
            return to_price, to_close
        self.known(dividends, "backtest.dividends")
        with np.errstate(invalid="ignore"):
            paid = np.nan_to_num(self.column(dividends)) / self.before
        return to_price + np.where(np.isfinite(paid), paid, 0.0), to_close

    def known(self, name: str, setting: str) -> None:
        """ConfigError, by the name of the setting, where no symbol has a further column of that name."""
        if name not in self.extra_names:
            there = ", ".join(self.extra_names) or "no further columns"
            raise ConfigError(f"{setting}={name}: the bars have {there}; name one of the source's columns")

    @cached_property
    def gone(self) -> dict[int, np.ndarray]:
        """The symbols whose last bar it is although the market goes on, by row."""
        last = len(self.time) - 1 - self.has[::-1].argmax(axis=0)
        ended = last < len(self.time) - 1
        return {int(t): np.flatnonzero(last == t) for t in np.unique(last[ended])}

    def later(self, values: np.ndarray, bars: int) -> np.ndarray:
        """`values` (time, symbol) moved so many of each symbol's own bars later; NaN where there is none."""
        out = np.full(values.shape, np.nan)
        if self.complete.all():
            out[bars:] = values[: max(0, len(values) - bars)]
            return out
        for rows in _row_blocks(values.shape):
            row = self.prior[rows]
            for _ in range(bars - 1):
                row = np.where(row >= 0, np.take_along_axis(self.prior, np.maximum(row, 0), axis=0), -1)
            known = self.has[rows] & (row >= 0)
            out[rows][known] = np.take_along_axis(values, np.maximum(row, 0), axis=0)[known]
        return out


@dataclass(frozen=True)
class Signals:
    """Signals of a long table in any order: symbol index, time, value in [-1, 1]; NaN is flat.

    `score`: what the signals were made of, for portfolio rules that read scores; None: the values themselves.
    """

    symbol: np.ndarray
    time: np.ndarray
    value: np.ndarray
    score: np.ndarray | None = None

    def on(self, grid: Grid) -> np.ndarray:
        """(time, symbol), 0 where there is none; `DataError` for none at all, a time of no bar, or two of one bar."""
        laid = self.__dict__.get("_laid")  # on the grid that they were traded on last: most are traded several times
        if laid is None or laid[0] is not grid:
            dense = np.zeros(grid.has.shape)
            dense.ravel()[self._cells(grid)] = np.where(np.isfinite(self.value), self.value, 0.0)
            laid = self.__dict__["_laid"] = (grid, dense)
        found: np.ndarray = laid[1].copy()
        return found

    def scores_on(self, grid: Grid) -> np.ndarray:
        """(time, symbol) scores, NaN where there is none."""
        dense = np.full(grid.has.shape, np.nan)
        dense.ravel()[self._cells(grid)] = self.value if self.score is None else self.score
        return dense

    def span(self, grid: Grid) -> tuple[int, int]:
        """The first and the last row of the grid with a signal's row."""
        first, last = np.searchsorted(grid.time, [self.time.min(), self.time.max()])
        return int(first), int(last)

    def _cells(self, grid: Grid) -> np.ndarray:
        if not len(self.time):
            raise DataError("signals: there is none; the backtest needs one out-of-sample row or more")
        row = grid.row_of(self.time)
        if row.min() < 0:
            raise DataError("signals: a time that no symbol has a bar at; trade them on the bars they were made from")
        cell = row * len(grid.symbols)
        cell += self.symbol
        taken = np.zeros(grid.has.size, bool)
        taken[cell] = True
        if np.count_nonzero(taken) < len(cell):
            raise DataError(
                "signals: two of one symbol and time, of which the ledger could trade one; trade the paths of"
                " overlapping splits one by one"
            )
        return cell


def _lay(bars: Sequence[Bars], known: np.ndarray, has: np.ndarray, open_: np.ndarray, close: np.ndarray) -> None:
    """Write some symbols' bars into the first columns of arrays (time, symbol)."""
    there, prices = np.zeros((len(known), len(bars)), bool), np.full((2, len(known), len(bars)), np.nan)
    for s, b in enumerate(bars):
        rows = slice(None) if len(b) == len(known) else np.searchsorted(known, _ticks(b.time))
        there[rows, s], prices[0, rows, s], prices[1, rows, s] = True, b.open, b.close
    for table, own in ((has, there), (open_, prices[0]), (close, prices[1])):
        table[:, : len(bars)] = own


def _row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows that hold some 2^20 cells each."""
    step = max(1, _CELLS // max(1, shape[1]))
    for begin in range(0, shape[0], step):
        yield slice(begin, begin + step)


def _row_sums(values: np.ndarray) -> np.ndarray:
    """`values.sum(axis=1)`, to the bit, and faster where a row is short."""
    if values.shape[1] >= _FEW:
        found: np.ndarray = values.sum(axis=1)
        return found
    total = np.zeros(len(values))
    for column in values.T:
        total += column
    return total


def gross_sums(values: np.ndarray) -> np.ndarray:
    """Σ|value| of each row, some rows at a time."""
    parts = [_row_sums(np.abs(values[rows])) for rows in _row_blocks(values.shape)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _ticks(time: np.ndarray) -> np.ndarray:
    """Times as whole numbers, which are searched faster."""
    return time.astype("datetime64[ns]", copy=False).view(np.int64)
