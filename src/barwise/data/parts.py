"""What each file of a source held, kept with its bars: of a source that grew only what is new, or changed, is read.

A file is known by the hash of its contents. Its series are stretches of the kept bars, which are as they were read:
sources whose bars are selected, mended or grouped after they were read have no parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.notes import Notes
from barwise.data.readers.series import Series
from barwise.data.readers.sources import Source

_ENDINGS = (".parquet", ".pq")
_AS_READ = frozenset(  # settings that say how a file is read, and change nothing later
    ("path", "columns", "header", "timezone", "day_first", "decimal", "price_scale", "negative", "periods_per_year",
     "on_bad", "on_jump", "adjusted", "extra")
)  # fmt: skip

Found = tuple[list[Series], int, list[str], Notes]  # the series, rows that were dropped, columns that were not used


@dataclass
class Parts:
    """Of one reading: `hashes` of the files as they are, `old` what is known of files as they were, in `bars`."""

    hashes: Mapping[str, str]
    old: Mapping[str, Any] = field(default_factory=dict)
    bars: Sequence[Bars] = ()
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    reused: int = 0

    def found(self, source: Source) -> Found | None:
        """What a file held when it was the same; None where it must be read."""
        path = str(source.path)
        one = self.old.get(path)
        if one is None or source.ending not in _ENDINGS or one["hash"] != self.hashes.get(path):
            return None
        flat = np.asarray(one["stretches"], dtype=np.int64).reshape(-1, 3)
        days, naive, exact, order = one["kind"]
        made = [
            Series(source.where, self.bars[symbol].take(slice(low, high)), days, naive, exact, order)
            for symbol, low, high in flat.tolist()
        ]
        notes = Notes([(w, t) for w, t in one["told"]], [(w, t) for w, t in one["warned"]], dict(one["columns"]))
        self.reused += 1
        self.note(source, made, one["dropped"], one["unused"], notes)
        return made, int(one["dropped"]), list(one["unused"]), notes

    def note(self, source: Source, made: Sequence[Series], dropped: int, unused: Sequence[str], notes: Notes) -> None:
        """Remember what a file held."""
        path = str(source.path)
        kinds = {(s.days, s.naive, s.exact, s.order) for s in made}
        plain = not any(s.bars.groups for s in made) and len({tuple(s.bars.extra) for s in made}) == 1
        if source.ending not in _ENDINGS or path not in self.hashes or len(kinds) != 1 or not plain:
            return
        self.seen[path] = {
            "hash": self.hashes[path], "kind": list(kinds.pop()), "dropped": dropped, "unused": list(unused),
            "told": list(notes.told), "warned": list(notes.warned), "columns": dict(notes.columns),
            "series": [(s.bars.symbol, s.bars.time[0], s.bars.time[-1], len(s.bars)) for s in made],
            "extra": list(made[0].bars.extra),
        }  # fmt: skip

    def meta(self, market: Market, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Of each file what `found` takes, as plain values; empty where the market is not what was read."""
        given = {name for name, value in settings.items() if value is not None and value != []}
        first = market.bars[0]
        as_read = given <= _AS_READ and settings.get("on_jump") != "drop" and market.universe is None
        same = all(one["extra"] == list(first.extra) for one in self.seen.values())
        voiceless = any(np.isnan(b.volume).all() for b in market.bars)
        if not as_read or not same or first.groups or voiceless or not self.seen:
            return {}
        place = {b.symbol: i for i, b in enumerate(market.bars)}
        each: list[list[tuple[Any, Any, int, str]]] = [[] for _ in market.bars]
        for path, one in self.seen.items():
            for symbol, begin, end, n in one["series"]:
                if symbol not in place:
                    return {}
                each[place[symbol]].append((begin, end, n, path))
        stretches: dict[str, list[int]] = {path: [] for path in self.seen}
        for i, parts in enumerate(each):
            low, last = 0, None
            for begin, end, n, path in sorted(parts, key=lambda part: part[0]):
                if last is not None and begin <= last:
                    return {}
                stretches[path] += [i, low, low + n]
                low, last = low + n, end
            if low != len(market.bars[i]):
                return {}
        left = ("series", "extra")
        return {
            path: {**{k: v for k, v in one.items() if k not in left}, "stretches": stretches[path]}
            for path, one in self.seen.items()
        }


CARRIED: ContextVar[Parts | None] = ContextVar("CARRIED", default=None)
