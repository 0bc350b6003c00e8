"""The bars of one source in files of Arrow that are written once: bars that were added lie in a second one.

`KEY.arrow` has a batch a symbol. Of a source that grew it is a link to the one before, and `KEY.more` has the bars
after those of all symbols, one behind the other. `KEY.json` tells where each column begins, and the checksums.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.bars import COLUMNS, Bars, Known, Market, Universe
from barwise.data.hash import digests, knowing
from barwise.runs.blocks import Damaged, bits_of, checksums, seal_of, synced, text_of, verify
from barwise.runs.directory import plain, replacing, write_text
from barwise.safety.files import read_json

_GIB = 2**30
_MOST_MORE = 0.2  # of the bars of the file that is carried on


@dataclass(frozen=True)
class Base:
    """A kept market that another one carries on: the first of its bars are these, symbol by symbol."""

    place: Path
    meta: Mapping[str, Any]


def write(market: Market, place: Path, facts: Mapping[str, Any], base: Base | None = None) -> Market:
    """Keep sound bars whole or not at all; the market as it lies there, or in memory what carries `base` on.

    OSError where that cannot be done.
    """
    extra, groups = (tuple(getattr(market.bars[0], name)) for name in ("extra", "groups"))
    if any(tuple(b.extra) != extra or tuple(b.groups) != groups for b in market.bars):
        raise OSError("symbols differ in their columns")
    kinds = _kinds(extra, groups)
    begun = None if base is None else _begun(market, base, kinds)
    calm = not market.facts.get("warnings")
    with replacing(place) as beside:
        if begun is None:
            _written(beside, (_columns(b) for b in market.bars), kinds)
            places, rows = _places(beside, kinds), [len(b) for b in market.bars]
            begun = {"first": checksums(beside), "places": packed(places), "rows": rows}
            bars = tuple(knowing(b, calm) for b in _mapped(beside, places, rows, market.bars, kinds))
            begun["digests"] = [digests(b, len(b))[0] for b in bars]
        else:
            beside.unlink()
            os.link(begun.pop("base"), beside, follow_symlinks=False)
            more = place.with_suffix(".more")
            with replacing(more) as other:
                _written(other, [_ends(market, begun["rows"])], kinds)
                begun["more"] = checksums(other)
            bars = tuple(knowing(b, calm) for b in market.bars)
        meta = plain({
            "symbols": market.symbols, "extra": extra, "groups": groups, "periods": market.periods_per_year,
            "group_names": [dict(b.group_names) for b in market.bars] if groups else [], "facts": dict(market.facts),
            "universe": _stays(market.universe), **begun, **facts,
            "known": [(b.known.digest, b.known.whole, b.known.chain.hex()) for b in bars if b.known is not None],
        })  # fmt: skip
        write_text(place.with_suffix(".json"), json.dumps({**meta, "seal": seal_of(meta)}))
        synced(place.with_suffix(".json"))
    synced(place.parent)
    return replace(market, bars=bars)


def _stays(universe: Universe | None) -> dict[str, Any] | None:
    return None if universe is None else {
        "name": universe.name,
        "stays": {s: [[_int(a), _int(b)] for a, b in some] for s, some in universe.stays.items()},
    }  # fmt: skip


def opened(place: Path) -> tuple[Market, dict[str, Any]]:
    """The market that was kept at `place`, and what stands beside it. Damaged, without a word where there is none."""
    if not place.exists() and not place.is_symlink():
        raise Damaged
    try:
        meta = read_json(place.with_suffix(".json"), limit=_GIB)
        if meta.get("seal") != seal_of({k: v for k, v in meta.items() if k != "seal"}):
            raise Damaged("what stands beside the numbers is not what was written")
        verify(place, meta["first"])
        kinds = _kinds(meta["extra"], meta["groups"])
        named = meta["group_names"] or [{}] * len(meta["symbols"])
        times, prices = np.zeros(0, "datetime64[ns]"), (np.zeros(0),) * 5
        blank = [
            Bars(symbol, times, *prices, group_names={k: tuple(v) for k, v in own.items()})
            for symbol, own in zip(meta["symbols"], named, strict=True)
        ]
        bars = _mapped(place, unpacked(meta["places"], len(kinds)), meta["rows"], blank, kinds)
        if "more" in meta:
            more = place.with_suffix(".more")
            verify(more, meta["more"])
            bars = _joined(bars, more, meta["counts"], kinds)
        known = zip(bars, meta["known"], meta["rows"], meta["digests"], strict=True)
        calm = not meta["facts"].get("warnings")
        bars = tuple(
            b.known_as(Known(len(b), told, n, bytes.fromhex(chain), {rows: first} if first else {}, calm))
            for b, (told, n, chain), rows, first in known
        )
        stays = meta["universe"]
        universe = None if stays is None else Universe(stays["name"], {
            s: tuple((np.datetime64(a, "ns"), np.datetime64(b, "ns")) for a, b in some)
            for s, some in stays["stays"].items()
        })  # fmt: skip
        os.utime(place.with_suffix(".json"))  # used now
        return Market(bars, meta["periods"], {**meta["facts"], "kept": place.stem}, universe), meta
    except Damaged:
        raise
    except Exception as error:  # a damaged file may raise whatever its readers raise
        raise Damaged(f"{type(error).__name__}") from None


def packed(values: np.ndarray) -> str:
    """Whole numbers as a text of JSON."""
    return text_of(np.ascontiguousarray(values, np.int64).view(np.uint8))


def unpacked(text: str, width: int) -> np.ndarray:
    """What `packed` was given, in rows of `width`."""
    return bits_of(text).view(np.int64).reshape(-1, width)


def _kinds(extra: Sequence[str], groups: Sequence[str]) -> dict[str, type]:
    names = [*COLUMNS, *(f"extra {n}" for n in extra)]
    return {
        "time": np.int64,
        **dict.fromkeys(names, np.float64),
        **dict.fromkeys((f"group {n}" for n in groups), np.int32),
    }


def _columns(bars: Bars) -> list[np.ndarray]:
    """In the order of `_kinds`."""
    return [bars.time.astype("datetime64[ns]", copy=False).view(np.int64), *(getattr(bars, n) for n in COLUMNS),
            *bars.extra.values(), *bars.groups.values()]  # fmt: skip


def _bars(like: Bars, columns: Sequence[np.ndarray], kinds: Mapping[str, type]) -> Bars:
    """Bars of the symbol and the group names of `like`, with these columns."""
    extra = {n[6:]: v for n, v in zip(kinds, columns, strict=True) if n.startswith("extra ")}
    groups = {n[6:]: v for n, v in zip(kinds, columns, strict=True) if n.startswith("group ")}
    time, open_, high, low, close, volume = columns[:6]
    time = time.view("datetime64[ns]")
    return Bars(like.symbol, time, open_, high, low, close, volume, extra, groups, like.group_names)


def _written(place: Path, batches: Iterable[Sequence[np.ndarray]], kinds: Mapping[str, type]) -> None:
    import pyarrow as pa

    schema = pa.schema([(name, pa.from_numpy_dtype(np.dtype(kind))) for name, kind in kinds.items()])
    with pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, schema) as out:
        for columns in batches:
            out.write_batch(pa.record_batch([pa.array(np.ascontiguousarray(c)) for c in columns], schema=schema))
    synced(place)


def _ends(market: Market, rows: Sequence[int]) -> list[np.ndarray]:
    """The bars after the first `rows` of each symbol, one symbol behind the other."""
    ends = [[column[n:] for column in _columns(b)] for b, n in zip(market.bars, rows, strict=True) if n < len(b)]
    return [np.concatenate(one) for one in zip(*ends, strict=True)]


def _begun(market: Market, base: Base, kinds: Mapping[str, type]) -> dict[str, Any] | None:
    """What is told of the file that is carried on, in the order of this market; None where all is better written."""
    meta = base.meta
    place = {symbol: i for i, symbol in enumerate(meta["symbols"])}
    if list(kinds) != list(_kinds(meta["extra"], meta["groups"])) or meta["groups"]:
        return None
    at = [place.get(b.symbol) for b in market.bars]
    rows = [0 if i is None else int(meta["rows"][i]) for i in at]
    counts = [len(b) - n for b, n in zip(market.bars, rows, strict=True)]
    if min(counts) < 0 or not 0 < sum(counts) <= _MOST_MORE * sum(rows):
        return None
    told = [None if i is None else meta["digests"][i] for i in at]
    if any(n and digests(b, n)[0] != one for b, n, one in zip(market.bars, rows, told, strict=True)):
        return None
    places = unpacked(meta["places"], len(kinds))
    own = np.array([places[i] if i is not None else np.zeros(len(kinds), np.int64) for i in at])
    return {"base": base.place, "first": meta["first"], "places": packed(own), "rows": rows, "counts": counts,
            "digests": told}  # fmt: skip


def _places(place: Path, kinds: Mapping[str, type]) -> np.ndarray:
    """(batch, column): the byte at which its numbers begin."""
    import pyarrow as pa

    whole = np.memmap(place, np.uint8, mode="r")
    reader = pa.ipc.open_file(pa.py_buffer(whole))
    batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    found = [[column.buffers()[1].address for column in batch.columns] for batch in batches]
    return np.array(found, np.int64).reshape(-1, len(kinds)) - whole.ctypes.data


def _mapped(
    place: Path, places: np.ndarray, rows: Sequence[int], like: Sequence[Bars], kinds: Mapping[str, type]
) -> tuple[Bars, ...]:
    """Bars whose columns are views of one `np.memmap`, whose pages can be let go of."""
    plain_ = np.asarray(np.memmap(place, np.uint8, mode="r"))
    types = [(np.dtype(kind), np.dtype(kind).itemsize) for kind in kinds.values()]
    found = []
    for one, n, begins in zip(like, rows, places.tolist(), strict=True):
        parts = zip(begins, types, strict=True)
        found.append(_bars(one, [plain_[at : at + n * size].view(kind) for at, (kind, size) in parts], kinds))
    return tuple(found)


def _joined(first: Sequence[Bars], place: Path, counts: Sequence[int], kinds: Mapping[str, type]) -> tuple[Bars, ...]:
    """The bars with those behind them that lie in `place`, in memory."""
    raw = np.asarray(np.memmap(place, np.uint8, mode="r"))
    types = [np.dtype(kind) for kind in kinds.values()]
    places = zip(_places(place, kinds)[0].tolist(), types, strict=True)
    added = [raw[at : at + sum(counts) * kind.itemsize].view(kind) for at, kind in places]
    rooms = [np.empty(sum(map(len, first)) + sum(counts), kind) for kind in types]
    found, low, done = [], 0, 0
    for b, n in zip(first, counts, strict=True):
        middle, high = low + len(b), low + len(b) + n
        own = [room[low:high] for room in rooms]
        for room, old, new in zip(rooms, _columns(b), added, strict=True):
            room[low:middle], room[middle:high] = old, new[done : done + n]
        found.append(_bars(b, own, kinds))
        low, done = high, done + n
    return tuple(found)


def _int(at: np.datetime64) -> int:
    return int(at.astype("datetime64[ns]").astype(np.int64))
