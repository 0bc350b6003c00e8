"""What each file of a source held, kept with its bars: of a source that grew only what is new, or changed, is read.

A file is known by the hash of its contents. Its bars are stretches of the kept bars, which are as they were read:
sources whose bars are selected, mended or grouped after they were read have no parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.hash import head
from barwise.data.kept_file import packed, unpacked
from barwise.data.notes import Notes
from barwise.data.readers.series import Series
from barwise.data.readers.sources import Source

_ENDINGS = (".parquet", ".pq")
_AS_READ = frozenset(  # settings that say how a file is read, and change nothing later
    ("path", "columns", "header", "timezone", "day_first", "decimal", "price_scale", "negative", "periods_per_year",
     "on_bad", "on_jump", "adjusted", "extra")
)  # fmt: skip
_FACTS = ("where", "hash", "kind", "dropped", "unused", "told", "warned", "columns")


@dataclass
class Parts:
    """Of one reading: `hashes` of the files as they are, `old` what is known of files as they were, in `bars`."""

    hashes: Mapping[str, str]
    old: Mapping[str, Any] = field(default_factory=dict)
    bars: Sequence[Bars] = ()
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: list[tuple[Series, np.ndarray]] = field(default_factory=list)

    def series(self, sources: Sequence[Source]) -> list[Series]:
        """What those of these files held that are as they were: of each symbol the stretches of bars that follow each
        other at once."""
        names = list(self.old.get("files", {}))
        same = {str(s.path) for s in sources if self._same(s)}
        runs = self._runs[np.isin(self._runs[:, 3], [i for i, name in enumerate(names) if name in same])]
        if not len(runs):
            return []
        files = [self.old["files"][name] for name in names]
        kinds = {name: i for i, name in enumerate(dict.fromkeys(str(one["kind"]) for one in files))}
        kind = np.array([kinds[str(one["kind"])] for one in files])[runs[:, 3]]
        exact = np.array([bool(one["kind"][2]) for one in files])[runs[:, 3]]
        follows = (runs[1:, 0] == runs[:-1, 0]) & (runs[1:, 1] == runs[:-1, 2]) & (kind[1:] == kind[:-1]) & exact[1:]
        cuts = np.flatnonzero(np.append(True, ~follows))
        named: dict[bytes, tuple[str, ...]] = {}
        for low, high in zip(cuts.tolist(), [*cuts[1:].tolist(), len(runs)], strict=True):
            ids = runs[low:high, 3]
            key = ids.tobytes()
            if key not in named:
                named[key] = tuple(files[i]["where"] for i in ids.tolist())
            bars = self.bars[int(runs[low, 0])]
            begin, end = int(runs[low, 1]), int(runs[high - 1, 2])
            days, naive, is_exact, order = files[int(ids[0])]["kind"]
            part = head(bars, end) if begin == 0 else bars.take(slice(begin, end))
            self.kept.append((Series(named[key][0], part, days, naive, is_exact, order, named[key]), runs[low:high]))
        return [one for one, _ in self.kept]

    def found(self, source: Source) -> tuple[int, list[str], Notes] | None:
        """Of a file that is as it was the rows that were dropped, the columns that were not used and what was said;
        None where it must be read."""
        if not self._same(source):
            return None
        path = str(source.path)
        one = self.old["files"][path]
        self.seen[path] = one
        notes = Notes([(w, t) for w, t in one["told"]], [(w, t) for w, t in one["warned"]], dict(one["columns"]))
        return int(one["dropped"]), list(one["unused"]), notes

    def _same(self, source: Source) -> bool:
        one = self.old.get("files", {}).get(str(source.path))
        return one is not None and source.ending in _ENDINGS and one["hash"] == self.hashes.get(str(source.path))

    @cached_property
    def _runs(self) -> np.ndarray:
        """(run, 4): index of the symbol, first bar, one past the last, and index of the file; by symbol and bar."""
        return unpacked(self.old["runs"], 4) if self.old else np.zeros((0, 4), np.int64)

    def note(self, source: Source, made: Sequence[Series], dropped: int, unused: Sequence[str], notes: Notes) -> None:
        """Remember what a file held."""
        path = str(source.path)
        kinds = {(s.days, s.naive, s.exact, s.order) for s in made}
        plain = not any(s.bars.groups for s in made) and len({tuple(s.bars.extra) for s in made}) == 1
        if source.ending not in _ENDINGS or path not in self.hashes or len(kinds) != 1 or not plain:
            return
        self.seen[path] = {
            "where": source.where, "hash": self.hashes[path], "kind": list(kinds.pop()), "dropped": dropped,
            "unused": list(unused), "told": list(notes.told), "warned": list(notes.warned),
            "columns": dict(notes.columns), "extra": list(made[0].bars.extra),
            "series": [(s.bars.symbol, s.bars.time[0], s.bars.time[-1], len(s.bars)) for s in made],
        }  # fmt: skip

    def meta(self, market: Market, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Of each file what `found` and `series` take, as plain values; empty where the market is not what was read."""
        given = {name for name, value in settings.items() if value is not None and value != []}
        first = market.bars[0]
        as_read = given <= _AS_READ and settings.get("on_jump") != "drop" and market.universe is None
        same = all(one["extra"] == list(first.extra) for one in self.seen.values())
        voiceless = any(np.isnan(b.volume[0]) and np.isnan(b.volume).all() for b in market.bars)
        if not as_read or not same or first.groups or voiceless or not self.seen:
            return {}
        runs = self._placed(market)
        if runs is None:
            return {}
        files = {path: {k: v for k, v in one.items() if k != "series"} for path, one in self.seen.items()}
        return {"files": files, "runs": packed(runs)}

    def _placed(self, market: Market) -> np.ndarray | None:
        """The runs of the market; None where its bars are not those of the files, one behind the other."""
        place = {b.symbol: i for i, b in enumerate(market.bars)}
        number = {path: i for i, path in enumerate(self.seen)}
        again = np.array([number.get(path, -1) for path in self.old.get("files", {})], np.int64)
        each: list[list[tuple[Any, Any, int, np.ndarray]]] = [[] for _ in market.bars]
        for one, rows in self.kept:
            b = one.bars
            if b.symbol not in place:
                return None
            shifted = np.column_stack([rows[:, :1], rows[:, 1:3] - rows[0, 1], again[rows[:, 3:]]])
            each[place[b.symbol]].append((b.time[0], b.time[-1], len(b), shifted))
        for path, file in self.seen.items():
            for symbol, begin, end, n in file.get("series", ()):
                if symbol not in place:
                    return None
                each[place[symbol]].append((begin, end, n, np.array([[0, 0, n, number[path]]])))
        found = []
        for i, parts in enumerate(each):
            low, last = 0, None
            for begin, end, n, rows in sorted(parts, key=lambda part: part[0]):
                if last is not None and begin <= last:
                    return None
                found.append(rows + np.array([0, low, low, 0]))
                found[-1][:, 0] = i
                low, last = low + n, end
            if low != len(market.bars[i]):
                return None
        return np.concatenate(found)


CARRIED: ContextVar[Parts | None] = ContextVar("CARRIED", default=None)
