"""Bars that were read once are kept, so that the next run of a large source starts at once.

What is kept is known by the contents of the files it came from, by the settings and by the code that reads; any damage
means that the source is read again. One file of Arrow a source: numbers and JSON, mapped where it is read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

import barwise.data
from barwise.data.bars import COLUMNS, Bars, Market, Universe
from barwise.data.parts import CARRIED, Parts
from barwise.runs.blocks import Damaged, checksums, seal_of, synced, too_much
from barwise.runs.directory import plain, replacing, write_json, write_text
from barwise.safety.files import read_json

Source = Callable[[], Market]
_SOURCES = ("barwise.data.files", "barwise.data.query")  # they say by `paths` which files they would read
_LEAST = 32 * 2**20  # bytes of a source that is worth keeping: what is smaller is read in a second
_GIB = 2**30
_LIBRARIES = ("numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class KeptBars:
    """`home`: where they lie, `gb`: the most they may take, the longest unused go first; 0 keeps nothing."""

    home: Path
    gb: float = 10.0
    least: int = _LEAST

    def source(self, source: Source) -> Source:
        """`source`, by way of what is kept where its files are known and large enough."""
        return partial(self.market, source) if self.gb else source

    def market(self, source: Source) -> Market:
        """What `source` gives, or gave when its files, settings and reader were the same."""
        told = self._told(source)
        if told is None:
            return source()
        key, recipe = _hash(told), _hash({**told, "files": []})
        place = self.home / f"{key}.arrow"
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            lock = (self.home / f".{key}.lock").open("a")
        except OSError:
            return source()
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes one reads; let go when the process ends
            try:
                return read(place)
            except Damaged as damage:
                parts = self._parts(told, recipe)
                carried = CARRIED.set(parts)
                try:
                    found = source()
                finally:
                    CARRIED.reset(carried)
                if str(damage):
                    warnings = [
                        *found.facts.get("warnings", ()),
                        f"the kept bars {key} are damaged ({damage}): read again",
                    ]
                    found = replace(found, facts={**found.facts, "warnings": warnings})
            settings = cast(Any, source).keywords
            return self._keep(found, place, {"recipe": recipe, "parts": parts.meta(found, settings)})

    def _parts(self, told: Mapping[str, Any], recipe: str) -> Parts:
        """The files of a source, and what is known of them from when it was read last with the same settings."""
        hashes = dict(told["files"])
        last = self.home / f".last-{recipe}"
        try:
            name = last.read_text().strip() if last.is_file() and not last.is_symlink() else ""
            if re.fullmatch(r"[0-9a-f]{32}", name):
                market, meta = _opened(self.home / f"{name}.arrow")
                if meta.get("recipe") == recipe:
                    return Parts(hashes, meta["parts"], market.bars)
        except (Damaged, OSError, UnicodeError):
            pass
        return Parts(hashes)

    def key(self, source: Source) -> str | None:
        """What tells one source from another; None for what is small, or cannot be told by files."""
        told = self._told(source)
        return None if told is None else _hash(told)

    def _told(self, source: Source) -> dict[str, Any] | None:
        if not isinstance(source, partial) or source.func.__module__ not in _SOURCES:
            return None
        paths = sys.modules[source.func.__module__].paths(*source.args, **source.keywords)
        if paths is None or sum(path.stat().st_size for path in paths) < self.least:
            return None
        beside = [Path(v).expanduser() for v in source.keywords.values() if isinstance(v, str) and _is_file(v)]
        return {
            "reader": f"{source.func.__module__}.{source.func.__qualname__}",
            "settings": json.dumps(plain(source.keywords), sort_keys=True, default=str),
            "files": [(str(path), _contents(path)) for path in dict.fromkeys([*paths, *beside])],
            "code": _code(),
            "versions": [version(name) for name in _LIBRARIES],
        }

    def _keep(self, market: Market, place: Path, facts: Mapping[str, Any]) -> Market:
        """Write it whole or not at all, and give it as it lies there, which takes no memory of its own; what cannot be
        written is used as it is, and read again next time."""
        try:
            _write(market, place, facts)
            write_text(self.home / f".last-{facts['recipe']}", place.stem)
            self.trim(spare=place.name)
            return replace(market, bars=_mapped(place, market))
        except OSError:
            place.unlink(missing_ok=True)
            return market

    def entries(self) -> list[tuple[Path, int, float]]:
        """(file, bytes, when last used) of each source, the longest unused first."""
        found = []
        for path in self.home.glob("[0-9a-f]*.arrow") if self.home.is_dir() else ():
            try:
                state = path.lstat()
                found.append((path, state.st_size, state.st_mtime))
            except OSError:
                continue
        return sorted(found, key=lambda entry: entry[2])

    def trim(self, spare: str = "") -> int:
        """Remove the longest unused until the rest fits; returns how many went."""
        gone = list(too_much(self.entries(), self.gb * _GIB, spare))
        for path in gone:
            _remove(path)
        return len(gone)

    def clear(self) -> int:
        """Remove all; returns how many went."""
        entries = self.entries()
        for path, _, _ in entries:
            _remove(path)
        for left in (*self.home.glob(".*.lock"), *self.home.glob(".last-*")) if self.home.is_dir() else ():
            left.unlink(missing_ok=True)
        return len(entries)


def _hash(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _contents(path: Path) -> str:
    """The hash of what is in a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


@cache
def _code() -> str:
    """The hash of everything that reads bars."""
    digest = hashlib.blake2b()
    for path in sorted(Path(barwise.data.__path__[0]).rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]


def _write(market: Market, place: Path, facts: Mapping[str, Any]) -> None:
    """The market in one file of Arrow, a batch a symbol, and what stands beside the numbers in one of JSON."""
    import pyarrow as pa

    extra, groups = (tuple(getattr(market.bars[0], name)) for name in ("extra", "groups"))
    if any(tuple(b.extra) != extra or tuple(b.groups) != groups for b in market.bars):
        raise OSError("symbols differ in their columns")
    names = [*COLUMNS, *(f"extra {n}" for n in extra)]
    schema = pa.schema([
        ("time", pa.int64()), *((n, pa.float64()) for n in names), *((f"group {n}", pa.int32()) for n in groups)
    ])  # fmt: skip
    with replacing(place) as beside:
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, schema) as out:
            for bars in market.bars:
                arrays = [bars.time.astype("datetime64[ns]").view(np.int64), *(getattr(bars, n) for n in COLUMNS),
                          *bars.extra.values(), *bars.groups.values()]  # fmt: skip
                out.write_batch(pa.record_batch([pa.array(np.ascontiguousarray(a)) for a in arrays], schema=schema))
        synced(beside)
        stays = None if market.universe is None else {
            "name": market.universe.name,
            "stays": {s: [[_int(a), _int(b)] for a, b in some] for s, some in market.universe.stays.items()},
        }  # fmt: skip
        meta = plain({
            "symbols": market.symbols, "extra": extra, "groups": groups, "periods": market.periods_per_year,
            "group_names": [dict(b.group_names) for b in market.bars] if groups else [], "facts": dict(market.facts),
            "universe": stays, "bars": checksums(beside), **facts,
        })  # fmt: skip
        write_json(place.with_suffix(".json"), {**meta, "seal": seal_of(meta)})
        synced(place.with_suffix(".json"))
    synced(place.parent)


def _int(at: np.datetime64) -> int:
    return int(at.astype("datetime64[ns]").astype(np.int64))


def read(place: Path) -> Market:
    """The market that was kept at `place`, its columns mapped. Damaged, without a word where there is none."""
    return _opened(place)[0]


def _opened(place: Path) -> tuple[Market, dict[str, Any]]:
    """The same, and what stands beside it."""
    if not place.exists() and not place.is_symlink():
        raise Damaged

    try:
        meta = read_json(place.with_suffix(".json"), limit=_GIB)
        if meta.get("seal") != seal_of({k: v for k, v in meta.items() if k != "seal"}):
            raise Damaged("what stands beside the numbers is not what was written")
        if meta["bars"] != checksums(place, meta["bars"]["bytes"]):
            raise Damaged("its numbers are not what was written")
        names = meta["group_names"] or [{}] * len(meta["symbols"])
        bars = tuple(
            _bars(symbol, columns, {k: tuple(v) for k, v in own.items()})
            for symbol, columns, own in zip(meta["symbols"], _columns_of(place), names, strict=True)
        )
        stays = meta["universe"]
        universe = None if stays is None else Universe(stays["name"], {
            s: tuple((np.datetime64(a, "ns"), np.datetime64(b, "ns")) for a, b in some)
            for s, some in stays["stays"].items()
        })  # fmt: skip
        os.utime(place)  # used now
        return Market(bars, meta["periods"], {**meta["facts"], "kept": place.stem}, universe), meta
    except Damaged:
        raise
    except Exception as error:  # a damaged file may raise whatever its readers raise
        raise Damaged(f"{type(error).__name__}") from None


def _columns_of(place: Path) -> Iterator[dict[str, np.ndarray]]:
    """The columns of each batch in a file of Arrow, mapped: views of one `np.memmap`, whose pages can be let go of."""
    import pyarrow as pa

    whole = np.memmap(place, np.uint8, mode="r")
    begin, plain_ = whole.ctypes.data, np.asarray(whole)
    reader = pa.ipc.open_file(pa.py_buffer(whole))
    kinds = [(field.name, field.type.to_pandas_dtype()) for field in reader.schema]
    for i in range(reader.num_record_batches):
        batch, found = reader.get_batch(i), {}
        for (name, kind), column in zip(kinds, batch.columns, strict=True):
            first = column.buffers()[1].address - begin
            found[name] = plain_[first : first + len(column) * np.dtype(kind).itemsize].view(kind)
        yield found


def _mapped(place: Path, market: Market) -> tuple[Bars, ...]:
    """The bars of the market that was just written to `place`, from there."""
    pairs = zip(market.bars, _columns_of(place), strict=True)
    return tuple(_bars(b.symbol, columns, b.group_names) for b, columns in pairs)


def _bars(symbol: str, columns: Mapping[str, np.ndarray], names: Mapping[str, tuple[str, ...]]) -> Bars:
    extra = {n.removeprefix("extra "): v for n, v in columns.items() if n.startswith("extra ")}
    groups = {n.removeprefix("group "): v for n, v in columns.items() if n.startswith("group ")}
    prices = {n: columns[n] for n in COLUMNS}
    return Bars(symbol, columns["time"].view("datetime64[ns]"), **prices, extra=extra, groups=groups, group_names=names)
