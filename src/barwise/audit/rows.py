"""The audit of feature rows: each is what its own past gives, computed where nothing is kept of any bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barwise.audit.disguise import disguise
from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.audit.process import CleanProcess, Failed
from barwise.audit.recompute import CUT, DATED, NAMED
from barwise.audit.row_causes import cause, request
from barwise.data.bars import Bars
from barwise.data.memmap import gather
from barwise.data.times import times_of
from barwise.features.aligned import sees_all
from barwise.features.matrix import FeatureMatrix

SIZE = 750  # rows that one process computes before the next takes over: what is kept of bars goes with it
_WINDOWS = (64, 96, 128, 192, 256, 320, 384, 512, 768, 1024, 2048)  # bars before a row that may give it; 0: all of them
_TRIED = 12  # rows on which a window is tried
_AT_ONCE = 6  # windows that one process tries: those of most sets are among them
_NEAR, _BESIDE = 1e-6, 1e-7  # of the value, and of the middle one of the rows before: float32 tells no more apart
_BEFORE = 50  # rows before, whose middle value says how large a column is there
_MOST = 3  # differences of one column that are looked into


@dataclass
class RowProof:
    """Compares rows of the matrix with what the clean process makes of their past alone."""

    matrix: FeatureMatrix
    sets: Mapping[str, Any]
    clean: CleanProcess
    bars: tuple[Bars, ...] = ()
    windows: dict[str, int] = field(default_factory=dict)
    guilty: dict[str, Finding] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    bad: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.proven = np.zeros(int(self.matrix.offsets[-1]), bool)
        places = {b.symbol: i for i, b in enumerate(self.bars or self.matrix.bars)}
        self.place = np.array([places[b.symbol] for b in self.matrix.bars])
        self.bars = tuple(self.bars or self.matrix.bars)
        self.kinds = {
            kind: any(sees_all(one) == (kind == "dates") for one in self.sets.values()) for kind in ("rows", "dates")
        }
        self.time = times_of(self.bars) if self.kinds["dates"] else np.array([])
        self.column = {name: i for i, name in enumerate(self.matrix.names)}

    def compare(
        self,
        rows: np.ndarray,
        workers: int = 1,
        size: int = 0,
        done: Callable[[int], None] | None = None,
        kinds: tuple[str, ...] = ("rows", "dates"),
    ) -> Iterator[Finding | int]:
        """Compute `rows` of the matrix again, `size` at a time; findings, and how many values were the same."""
        if self.kinds["rows"] and "rows" in kinds:
            yield from self._each("rows", self._items(rows), workers, size, done)
        if self.kinds["dates"] and "dates" in kinds:
            symbol = np.searchsorted(self.matrix.offsets, rows, side="right") - 1
            own = rows - self.matrix.offsets[symbol]
            times = np.array([self.matrix.bars[s].time[r] for s, r in zip(symbol, own, strict=True)])
            places = np.searchsorted(self.time, np.unique(times))
            items = np.column_stack([np.zeros_like(places), places, np.full_like(places, -1)])
            yield from self._each("dates", items, workers, size, done)
        if len(kinds) == len(self.kinds):
            self.proven[rows[~np.isin(rows, list(self.bad))]] = True
        if self.failed:
            some = f"{len(self.failed):,} of the rows looked at, first {self.failed[0]}"
            yield Finding("features", "not_audited", f"features cannot be computed on fewer bars: {some}")
        for name in sorted(self.opened):
            yield Finding("features", "not_audited", f"features read {name} while they are computed")
        self.failed, self.opened = [], set()

    def _items(self, rows: np.ndarray) -> np.ndarray:
        """Per row: the symbol of the clean process's bars, the bar of it, and the row of the matrix."""
        symbol = np.searchsorted(self.matrix.offsets, rows, side="right") - 1
        return np.column_stack([self.place[symbol], rows - self.matrix.offsets[symbol], rows]).astype(np.int64)

    def _each(
        self, kind: str, items: np.ndarray, workers: int, size: int, done: Callable[[int], None] | None
    ) -> Iterator[Finding | int]:
        window = self._window(kind, items)
        for longer in (window, 2 * window) if window else ():  # what is not the same of a short past may be of a longer
            again = []
            for part, answer in self._asked(kind, items, longer, workers, size, done):
                unlike = self._unlike(kind, part, answer)
                again.append(part[unlike])
                yield (len(part) - len(unlike)) * max(1, len(self.matrix.names))
            items, done = np.concatenate(again), None
            if not len(items):
                return
        for part, answer in self._asked(kind, items, 0, workers, size, done):
            yield from self._judged(kind, part, answer)

    def _asked(
        self, kind: str, items: np.ndarray, window: int, workers: int, size: int, done: Callable[[int], None] | None
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """Parts of the items, and what the clean process makes of them."""
        pieces = max(1, -(-len(items) // size)) if size else 1
        parts = [items[k::pieces] for k in range(pieces)]  # from all over: their windows are computed together
        heard = (lambda i: done(len(parts[i]))) if done else None
        requests = [request(part, window, CUT, NAMED | DATED) for part in parts]
        yield from zip(parts, self.clean.ask(kind, *requests, workers=workers, done=heard), strict=True)

    def _window(self, kind: str, items: np.ndarray) -> int:
        """The least window that gives some of the later rows as the matrix has them; 0 if none does."""
        if kind in self.windows or len(items) < 2 * _TRIED:
            return self.windows.get(kind, 0)
        later = np.argsort(items[:, 1], kind="stable")[len(items) // 2 :]
        late = items[later[np.linspace(0, len(later) - 1, _TRIED).astype(int)]]
        for windows in (_WINDOWS[:_AT_ONCE], _WINDOWS[_AT_ONCE:]):  # a process each costs more than its rows
            asked = [request(late, window, CUT, NAMED | DATED)["items"] for window in windows]
            answer = self.clean.ask(kind, {"items": np.concatenate(asked)})[0]
            for k, window in enumerate(windows):
                if not isinstance(answer, Failed) and not len(self._unlike(kind, late, _part(answer, k * _TRIED))):
                    self.windows[kind] = window
                    return window
        self.windows[kind] = 0
        return 0

    def _unlike(self, kind: str, items: np.ndarray, answer: Any) -> np.ndarray:
        """Which items are not as the matrix has them, or raised."""
        if isinstance(answer, Failed):
            return np.arange(len(items))
        self.opened |= set(answer["_opened"].tolist())
        bad = answer["failed"] != ""
        far = self._far(kind, items, answer)
        for i in far:
            item, found = items[i], answer["values"][i]
            bad[i] |= any(len(places) for _, places in self._differences(kind, item, answer["names"], found))
        return np.flatnonzero(bad)

    def _far(self, kind: str, items: np.ndarray, answer: Any) -> np.ndarray:
        """Items that are worth a closer look: all but those whose values are the same at first sight."""
        columns = np.array([self.column.get(name, -1) for name in answer["names"]], dtype=int)
        if kind != "rows" or not len(columns) or (columns < 0).any():
            return np.arange(len(items))
        have = gather(self.matrix.X, items[:, 2])[:, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            again = answer["values"].astype(np.float32)
            again[~np.isfinite(again)] = np.nan
            same = (np.abs(have - again) <= _NEAR * np.abs(have)) | (np.isnan(have) & np.isnan(again))
        return np.flatnonzero(~same.all(axis=1))

    def _differences(
        self, kind: str, item: np.ndarray, names: np.ndarray, found: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(row of the matrix, places of the columns that are not the same) of each row that an item stands for."""
        columns = np.array([self.column.get(name, -1) for name in names], dtype=int)
        for row, values in self.rows_of(kind, item, found):
            if not len(columns):
                continue
            have = np.where(columns >= 0, gather(self.matrix.X, np.array([row]))[0][np.maximum(columns, 0)], np.nan)
            symbol = int(np.searchsorted(self.matrix.offsets, row, side="right")) - 1
            first = max(int(self.matrix.offsets[symbol]), row - _BEFORE)
            yield row, np.flatnonzero(~self._same(have, values, first, row, columns))

    def _same(self, have: np.ndarray, values: np.ndarray, first: int, row: int, columns: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            again = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
            again[~np.isfinite(again)] = np.nan
            near = np.abs(have - again) <= _NEAR * np.abs(have)
            same: np.ndarray = near | (np.isnan(have) & np.isnan(again)) | (columns < 0)
            if same.all():
                return same
            before = np.abs(np.asarray(self.matrix.X[first : row + 1])[:, np.maximum(columns, 0)])
            middle = np.nan_to_num(np.nanmedian(np.where(np.isfinite(before).any(axis=0), before, 0.0), axis=0))
            same |= np.abs(have - again) <= _BESIDE * middle
        return same

    def rows_of(self, kind: str, item: np.ndarray, found: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        if kind == "rows":
            yield int(item[2]), found
            return
        time = self.time[item[1]]
        for symbol, b in enumerate(self.matrix.bars):
            row = int(np.searchsorted(b.time, time))
            if row < len(b) and b.time[row] == time:
                yield int(self.matrix.offsets[symbol]) + row, found[self.place[symbol]]

    def _judged(self, kind: str, items: np.ndarray, answer: Any) -> Iterator[Finding | int]:
        """Rows of all their past that differ are looked into, column by column."""
        if isinstance(answer, Failed):
            self.failed += [str(answer)] * len(items)
            self.bad |= {row for item in items for row, _ in self.rows_of(kind, item, np.empty(len(self.bars)))}
            return
        self.opened |= set(answer["_opened"].tolist())
        names = answer["names"]
        for item, found, failed in zip(items, answer["values"], answer["failed"], strict=True):
            if failed:
                b = self.bars[item[0]] if kind == "rows" else None
                where = (
                    f"{b.symbol} up to {when(b.time[item[1]])}"
                    if b
                    else f"all symbols up to {when(self.time[item[1]])}"
                )
                shown = str(failed).replace(disguise(int(item[0])), b.symbol) if b else failed
                self.failed.append(f"{where} ({shown})")
                self.bad |= {row for row, _ in self.rows_of(kind, item, np.empty(len(self.bars)))}
                continue
            yield len(names)
            for row, places in self._differences(kind, item, names, found):
                harmless = 0
                for place in places:
                    name = str(names[place])
                    if name not in self.guilty and len(self.guilty) < _MOST:
                        self.guilty[name] = cause(self, kind, item, name, row)
                        yield self.guilty[name]
                    harmless += name in self.guilty and self.guilty[name].level == "note"
                if harmless < len(places):
                    self.bad.add(row)


def _part(answer: dict[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """What was answered on the items of one window, from the first of them on."""
    rows = slice(first, first + _TRIED)
    return {**answer, "values": answer["values"][rows], "failed": answer["failed"][rows]}


def default_workers() -> int:
    """All cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
