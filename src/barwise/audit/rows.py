"""The audit of feature rows: each is what its own past gives, computed where nothing is kept of any bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from barwise.audit.bars import holes
from barwise.audit.disguise import disguise
from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.audit.process import CleanProcess, Failed
from barwise.audit.recompute import ALTERED, CUT, DATED, NAMED, OTHER, TURNED, WHOLE
from barwise.data.bars import Bars
from barwise.data.memmap import gather
from barwise.data.times import times_of
from barwise.features.aligned import sees_all
from barwise.features.matrix import FeatureMatrix
from barwise.samples import Panel

_ROWS = 96  # that a quick look takes of all symbols together, and one of each symbol at least
SIZE = 250  # rows that one process computes before the next takes over: what is kept of bars goes with it
_DATES = 8  # of which a quick look computes sets across symbols again
_WINDOWS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)  # bars before a row that may give it; 0: all of them
_TRIED = 3  # rows on which a window is tried
_AT_ONCE = 5  # windows that one process tries: those of most sets are among them
_NEAR, _BESIDE = (
    1e-6,
    1e-7,
)  # of the row's own value, and of the middle one of the rows before: what float32 tells apart
_BEFORE = 50  # rows before, whose middle value says how large a column is there
_EARLIER = (0, 7, 40)  # bars before a row at which a feature that counts time is as far from the disguised one
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
            items = np.array([self._item(row) for row in rows]).reshape(len(rows), 3)
            yield from self._each("rows", items, workers, size, done)
        if self.kinds["dates"] and "dates" in kinds:
            symbol = np.searchsorted(self.matrix.offsets, rows, side="right") - 1
            own = rows - self.matrix.offsets[symbol]
            times = np.array([self.matrix.bars[s].time[r] for s, r in zip(symbol, own, strict=True)])
            places = np.searchsorted(self.time, np.unique(times))
            items = np.column_stack([np.zeros_like(places), places, np.full_like(places, -1)])
            yield from self._each("dates", items, workers, size, done)
        if len(kinds) == len(self.kinds):
            self.proven[[row for row in rows if int(row) not in self.bad]] = True
        if self.failed:
            some = f"{len(self.failed):,} of the rows looked at, first {self.failed[0]}"
            yield Finding("features", "not_audited", f"features cannot be computed on fewer bars: {some}")
        for name in sorted(self.opened):
            yield Finding("features", "not_audited", f"features read {name} while they are computed")
        self.failed, self.opened = [], set()

    def _item(self, row: int) -> tuple[int, int, int]:
        """Symbol of the clean process's bars, bar of it, and the row of the matrix."""
        symbol = int(np.searchsorted(self.matrix.offsets, row, side="right")) - 1
        return int(self.place[symbol]), int(row - self.matrix.offsets[symbol]), int(row)

    def _each(
        self, kind: str, items: np.ndarray, workers: int, size: int, done: Callable[[int], None] | None
    ) -> Iterator[Finding | int]:
        window = self._window(kind, items)
        pieces = max(1, -(-len(items) // size)) if size else 1
        parts = [items[k::pieces] for k in range(pieces)]  # from all over: their windows are computed together
        heard = (lambda i: done(len(parts[i]))) if done else None
        answers = self.clean.ask(kind, *[_request(part, window, CUT, NAMED | DATED) for part in parts],
                                 workers=workers, done=heard)  # fmt: skip
        for part, answer in zip(parts, answers, strict=True):
            if window:
                again = self._unlike(kind, part, answer)
                if len(again):
                    whole = self.clean.ask(kind, _request(part[again], 0, CUT, NAMED | DATED))[0]
                    yield from self._judged(kind, part[again], whole)
                yield (len(part) - len(again)) * max(1, len(self.matrix.names))
            else:
                yield from self._judged(kind, part, answer)

    def _window(self, kind: str, items: np.ndarray) -> int:
        """Twice the least window that gives some late rows as the matrix has them; 0 if none does."""
        if kind in self.windows or len(items) < 2 * _TRIED:
            return self.windows.get(kind, 0)
        late = items[np.argsort(items[:, 1], kind="stable")[-_TRIED:]]
        for windows in (_WINDOWS[:_AT_ONCE], _WINDOWS[_AT_ONCE:]):  # a process each costs more than its rows
            asked = [_request(late, window, CUT, NAMED | DATED)["items"] for window in windows]
            answer = self.clean.ask(kind, {"items": np.concatenate(asked)})[0]
            for k, window in enumerate(windows):
                if not isinstance(answer, Failed) and not len(self._unlike(kind, late, _part(answer, k * _TRIED))):
                    self.windows[kind] = 2 * window
                    return 2 * window
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
        for row, values in self._rows_of(kind, item, found):
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

    def _rows_of(self, kind: str, item: np.ndarray, found: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
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
            self.bad |= {row for item in items for row, _ in self._rows_of(kind, item, np.empty(len(self.bars)))}
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
                self.bad |= {row for row, _ in self._rows_of(kind, item, np.empty(len(self.bars)))}
                continue
            yield len(names)
            for row, places in self._differences(kind, item, names, found):
                harmless = 0
                for place in places:
                    name = str(names[place])
                    if name not in self.guilty and len(self.guilty) < _MOST:
                        self.guilty[name] = self._why(kind, item, name, row)
                        yield self.guilty[name]
                    harmless += name in self.guilty and self.guilty[name].level == "note"
                if harmless < len(places):
                    self.bad.add(row)

    def _why(self, kind: str, item: np.ndarray, name: str, row: int) -> Finding:
        """Why a row of all its past differs from the matrix."""

        def value(how: int, hidden: int = 0, earlier: int = 0) -> float:
            moved = item - np.array([0, earlier, earlier])
            answer = self.clean.ask(kind, _request(moved[None], 0, how, hidden))[0]
            if isinstance(answer, Failed) or answer["failed"][0] or name not in answer["names"]:
                return np.inf
            column = int(np.flatnonzero(answer["names"] == name)[0])
            rows = self._rows_of(kind, moved, answer["values"][0])
            return next((float(v[column]) for r, v in rows if r == row - earlier), np.nan)

        def like(one: float, other: float) -> bool:
            return bool(np.isclose(one, other, rtol=1e-6, atol=0, equal_nan=True))

        symbol = int(np.searchsorted(self.matrix.offsets, row, side="right")) - 1
        b = self.matrix.bars[symbol]
        time = when(b.time[row - int(self.matrix.offsets[symbol])])
        have = float(self.matrix.X[row, self.column[name]])
        text, cut = f"feature {name} of {b.symbol} at {time}", value(CUT)
        if not like(cut, value(CUT)):
            return Finding("features", "not_audited", f"{text} is irreproducible: the same bars give another value")
        if like(have, cut):
            return self._by_name(text, value, like)
        if not like(have, value(WHOLE)):
            why = "is another where nothing was computed before it: it keeps what it saw in earlier calls."
            return Finding("features", "leak", f"{text} {why}")
        others = [value(how) for how in (ALTERED, TURNED)] if kind == "rows" else []
        if others and all(like(have, other) for other in others) and like(have, value(OTHER)):
            why = "depends on how many bars there are, not on what they hold: it is irreproducible bar by bar"
            return Finding("features", "not_audited", f"{text} {why}")
        whose = "the bars" if kind == "rows" else "the bars of all symbols"
        why = f"changes when {whose} after {time} are cut off: it uses bars that were not known yet."
        return Finding("features", "leak", f"{text} {why}")

    def _by_name(self, text: str, value: Callable[..., float], like: Callable[..., bool]) -> Finding:
        """A value that is another under other names or dates: told, unless it is made of no bar."""
        true = value(CUT)
        if like(value(CUT, DATED), true):
            if like(value(OTHER), value(WHOLE)):
                return Finding("features", "note", f"{text} is made of the symbol's name, and of no bar.")
            return Finding("features", "not_audited", f"{text} is another under another name: it may look it up")
        moved = [value(CUT, DATED, k) - value(CUT, 0, k) for k in _EARLIER]
        if np.isfinite(moved).all() and np.ptp(moved) <= 1e-6 * abs(moved[0]) and like(value(OTHER), value(WHOLE)):
            return Finding("features", "note", f"{text} counts the years.")
        return Finding("features", "not_audited", f"{text} is another 28 years later: it may look up dates")


def _part(answer: dict[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """What was answered on the items of one window, from the first of them on."""
    rows = slice(first, first + _TRIED)
    return {**answer, "values": answer["values"][rows], "failed": answer["failed"][rows]}


def _request(items: np.ndarray, window: int, how: int, hidden: int) -> dict[str, np.ndarray]:
    first = np.maximum(0, items[:, 1] - window + 1) if window else np.zeros(len(items), int)
    how_, hidden_ = np.full(len(items), how), np.full(len(items), hidden)
    return {"items": np.column_stack([items[:, :2], first, how_, hidden_]).astype(np.int64)}


def _chosen(matrix: FeatureMatrix, usable: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of the `usable` rows (a mask) or one of each symbol: the first of some, beside holes, where prices move
    most, and any; `seed` comes from the data."""
    random = np.random.default_rng(seed)
    symbols = len(matrix.bars)
    each = max(1, -(-count // symbols))
    found: list[int] = []
    for s in random.permutation(symbols)[: max(count, symbols)]:
        low, high = int(matrix.offsets[s]), int(matrix.offsets[s + 1])
        own = np.flatnonzero(usable[low:high])
        if not len(own):
            continue
        b = matrix.bars[s]
        move = np.abs(np.diff(b.close, prepend=b.close[0]) / b.close)[own]
        wild = own[np.argsort(move)[-max(1, len(own) // 20) :]]
        missing = np.intersect1d(own, holes(b))
        pools = [own[:1], wild, missing if len(missing) else own, own]
        picks = [int(random.choice(pools[k % 4] if each > 1 else pools[int(random.integers(4))])) for k in range(each)]
        found += [low + p for p in picks]
    return np.unique(np.array(found, dtype=np.int64))


def rows_look_back(audit: Audit, proof: RowProof, panel: Panel) -> Iterator[Finding | int]:
    """Some rows of all symbols, or all warm ones for a thorough audit, are what their own past gives; and no set keeps
    a table that no bar gave."""
    tables = proof.clean.ask("tables", {})[0]
    if not isinstance(tables, Failed):
        for text in tables["found"]:
            yield Finding("features", "not_audited", str(text))
    seed = seed_of(proof.matrix)
    if audit.thorough:
        yield from proof.compare(np.flatnonzero(panel.warm), default_workers(), SIZE)
        return
    rows = _chosen(proof.matrix, panel.warm, _ROWS, seed)
    if proof.kinds["rows"]:
        yield from proof.compare(rows, kinds=("rows",))
    if proof.kinds["dates"]:
        yield from proof.compare(np.random.default_rng(seed).choice(rows, min(_DATES, len(rows))), kinds=("dates",))


def seed_of(matrix: FeatureMatrix) -> int:
    """A number that the bars alone decide."""
    digest = 0
    for b in matrix.bars:
        digest = crc32(np.ascontiguousarray(b.close).data, digest)
    return digest


def default_workers() -> int:
    """All cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
