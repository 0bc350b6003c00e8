"""The proof of a kept matrix: rows computed again, drawn anew each time, on windows as live serving has them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.memmap import release
from barwise.features import FeatureSet
from barwise.features.aligned import among, between, bound, sees_all
from barwise.features.matrix import FeatureMatrix, compute

_SHARE, _LEAST = 0.02, 0.2  # of the seconds that building took; seconds that are spent however quick that was
_ROUNDS, ROWS = 6, 8  # symbols that are drawn; rows at the end of a window that are compared
_SHORTEST, _LONGEST, _ENDS = 64, 2048, 4
_SETTLED, SAME = (
    1e-6,
    1e-5,
)  # distances, in sizes and standard deviations: a window that is long enough, and a difference


@dataclass
class SpotCheck:
    """What was compared. `difference`: the first value that is another now, in words; None: all were the same.

    `inexact`: sets that a window of bars does not determine as the whole history does.
    """

    rows: int = 0
    symbols: set[str] = field(default_factory=set)
    seconds: float = 0.0
    difference: str | None = None
    inexact: set[str] = field(default_factory=set)

    def report(self) -> dict[str, Any]:
        """What run.json says."""
        return {"rows": self.rows, "symbols": sorted(self.symbols), "seconds": round(self.seconds, 4)}


@dataclass(frozen=True)
class Checker:
    """Compares a matrix with what its sets give now.

    `windows`: bars that determine the last rows of a set, None where no window does. `seconds`: what building took.
    """

    matrix: FeatureMatrix
    market: Market
    sets: Mapping[str, FeatureSet]
    windows: Mapping[str, int | None]
    seconds: float

    def run(self, draw: np.random.Generator | None = None) -> SpotCheck:
        """Compare drawn rows in half of the larger of SHARE of building and LEAST: on a busy machine the last piece may
        take long. A difference ends it."""
        draw = draw or np.random.default_rng()  # of the system's own randomness, never of a run's seed
        found, begin = SpotCheck(), time.perf_counter()
        budget = 0.5 * max(_LEAST, _SHARE * self.seconds)
        rate = {name: self.seconds / max(1, len(self.matrix.X)) for name in self.sets}  # of a row, too much at first
        for symbol in self.drawn(draw):
            for name in self.sets:
                left = budget - (time.perf_counter() - begin)
                most = int(left / max(rate[name], 1e-9) / self.width(name))
                part = self.part(name, symbol, most, draw, found)
                if part is None:
                    continue
                since = time.perf_counter()
                found.difference = self.compare(name, symbol, *part, found)
                spent = (time.perf_counter() - since) / (len(part[0]) * self.width(name))
                rate[name] = spent if rate[name] == 0 else max(rate[name] / 2, spent)
                if found.difference:
                    break
            if found.difference or time.perf_counter() - begin > budget:
                break
        found.seconds = time.perf_counter() - begin
        return found

    def drawn(self, draw: np.random.Generator) -> Iterator[int]:
        """Symbols of the matrix in a random order, over again if they are few."""
        n, left = len(self.matrix.bars), _ROUNDS
        while left > 0 and n:
            some = draw.permutation(n)[:left]
            left -= len(some)
            yield from (int(i) for i in some)

    def width(self, name: str) -> int:
        """Symbols that are computed for the sake of one."""
        return len(self.market.bars) if sees_all(self.sets[name]) else 1

    def part(
        self, name: str, symbol: int, most: int, draw: np.random.Generator, found: SpotCheck
    ) -> tuple[Bars, slice] | None:
        """Bars of a symbol, `most` at most, and the rows of its matrix that they determine: the end of a window, or all
        of its first ones."""
        bars = self.matrix.bars[symbol]
        window = None if name in found.inexact else self.windows.get(name)
        if window is not None and window < len(bars) and window <= most:
            end = int(draw.integers(window, len(bars) + 1))
            return bars.take(slice(end - window, end)), slice(end - ROWS, end)
        most = min(most, len(bars))
        if most < min(_SHORTEST, len(bars)):
            return None
        end = int(draw.integers((most + 1) // 2, most + 1))
        return bars.take(slice(0, end)), slice(0, end)

    def compare(self, name: str, symbol: int, part: Bars, rows: slice, found: SpotCheck) -> str | None:
        """The first difference; one that the whole history does not confirm is the window's."""
        kept = self.rows_of(symbol, rows)
        found.rows += len(kept)
        found.symbols.add(self.matrix.bars[symbol].symbol)
        try:
            columns = self.columns(name, part)
            different = self.different(columns, kept, slice(len(part) - len(kept), len(part)), SAME)
        except Exception:  # the user's set, on fewer bars than it wants
            different = "raises"
        if different is None:
            return None
        found.inexact.add(name)
        bars = self.matrix.bars[symbol]
        different = self.different(self.columns(name, bars), kept, rows, SAME)
        return different and f"features.{name}: {different} of {bars.symbol}"

    def columns(self, name: str, part: Bars) -> dict[str, np.ndarray]:
        """A set on some bars of a symbol, beside what the others have at these times or before the first."""
        sets = {name: self.sets[name]}
        if sees_all(self.sets[name]) and part.time[0] == self._first(part.symbol):
            begin = min(b.time[0] for b in self.market.bars if len(b))
            whole = [part if b.symbol == part.symbol else between(b, begin, part.time[-1]) for b in self.market.bars]
            return compute(part, bound(sets, [b for b in whole if len(b)], self.market.universe))
        return compute(part, among(part, sets, self.market.bars, self.market.universe))

    def _first(self, symbol: str) -> np.datetime64:
        return next(b.time[0] for b in self.market.bars if b.symbol == symbol)

    def rows_of(self, symbol: int, rows: slice) -> np.ndarray:
        """The kept rows of one symbol."""
        first = int(self.matrix.offsets[symbol])
        return self.read(slice(first + rows.start, first + rows.stop))

    def read(self, rows: slice) -> np.ndarray:
        """A copy of rows of the matrix; the pages of one that is mapped are let go of."""
        found = np.array(self.matrix.X[rows])
        release(self.matrix.X)
        return found

    def different(
        self, columns: Mapping[str, np.ndarray], kept: np.ndarray, rows: slice, distance: float
    ) -> str | None:
        """The first column of which a value is not what was kept."""
        unknown = [name for name in columns if name not in self.places]
        if unknown:
            return f"{unknown[0]} is a column that the kept matrix has not, row {rows.start}"
        chosen = [self.places[name] for name in columns]
        with np.errstate(over="ignore", invalid="ignore"):
            now = np.array([np.asarray(values)[rows] for values in columns.values()], dtype=np.float32).T
            now[~np.isfinite(now)] = np.nan
            then = kept[:, chosen]
            off = distance * (np.abs(then) + self.scale[chosen])
            same = (np.abs(now - then) <= off) | (np.isnan(now) & np.isnan(then))
        if same.all():
            return None
        row, column = (int(x) for x in np.argwhere(~same)[0])
        name = list(columns)[column]
        return f"{name} is {now[row, column]:.6g} now and was {then[row, column]:.6g}, row {rows.start + row}"

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each column of the matrix."""
        return {name: i for i, name in enumerate(self.matrix.names)}

    @cached_property
    def scale(self) -> np.ndarray:
        """The standard deviation of each column, on some hundred rows spread over the matrix."""
        starts = np.linspace(0, max(0, len(self.matrix.X) - 16), 32).astype(int)
        some = np.concatenate([self.read(slice(start, start + 16)) for start in starts]).astype(np.float64)
        known = np.isfinite(some)
        some, n = np.where(known, some, 0.0), np.maximum(1, known.sum(axis=0))
        mean = some.sum(axis=0) / n
        found: np.ndarray = np.sqrt((np.where(known, some - mean, 0.0) ** 2).sum(axis=0) / n).astype(np.float32)
        return found


def windows_of(
    matrix: FeatureMatrix, market: Market, sets: Mapping[str, FeatureSet], seconds: float
) -> dict[str, int | None]:
    """Bars that determine the last rows of each set, as live serving measures them: twice the shortest power of two
    that gives what the whole history does, on the longest symbol; None where none does, or finding it takes long."""
    checker = Checker(matrix, market, sets, {}, seconds)
    begin, most = time.perf_counter(), max(_LEAST, 5 * _SHARE * seconds)
    longest = max(range(len(matrix.bars)), key=lambda i: len(matrix.bars[i]))
    found: dict[str, int | None] = dict.fromkeys(sets)
    for name in sets:
        window = _SHORTEST
        while 2 * window <= min(_LONGEST, len(matrix.bars[longest])) and time.perf_counter() - begin < most:
            if _enough(checker, name, longest, window):
                found[name] = 2 * window
                break
            window *= 2
    return found


def _enough(checker: Checker, name: str, symbol: int, window: int) -> bool:
    bars = checker.matrix.bars[symbol]
    for end in np.linspace(min(2 * window, len(bars)), len(bars), _ENDS).astype(int):
        part, rows = bars.take(slice(end - window, end)), slice(end - ROWS, end)
        try:
            columns = checker.columns(name, part)
        except Exception:  # the user's set, on fewer bars than it wants
            return False
        if checker.different(columns, checker.rows_of(symbol, rows), slice(window - ROWS, window), _SETTLED):
            return False
    return True
