"""Bars that were read once are kept, so that the next run of a large source starts at once.

What is kept is known by the contents of the files it came from, by the settings and by the code that reads; any damage
means that the source is read again. Of a source that grew only what is new is read and written (`parts`, `kept_file`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import barwise.data
from barwise.data.bars import Market
from barwise.data.checks import check_market
from barwise.data.kept_file import Base, opened, write
from barwise.data.parts import CARRIED, Parts
from barwise.data.seen import hashes
from barwise.errors import DataError
from barwise.runs.blocks import Damaged, too_much
from barwise.runs.directory import plain, write_text

Source = Callable[[], Market]
_SOURCES = ("barwise.data.files", "barwise.data.query")  # they say by `paths` which files they would read
_LEAST = 32 * 2**20  # bytes of a source that is worth keeping: what is smaller is read in a second
_GIB = 2**30
_SEEN = ".seen.json"  # what the files of sources held, by when they were written
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
                return opened(place)[0]
            except Damaged as damage:
                parts, base = self._parts(told, recipe)
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
            facts = {"recipe": recipe, "parts": parts.meta(found, settings)}
            return self._keep(found, place, facts, base)

    def _parts(self, told: Mapping[str, Any], recipe: str) -> tuple[Parts, Base | None]:
        """The files of a source, what is known of them from when it was read last with the same settings, and that."""
        hashes = dict(told["files"])
        last = self.home / f".last-{recipe}"
        try:
            name = last.read_text().strip() if last.is_file() and not last.is_symlink() else ""
            if re.fullmatch(r"[0-9a-f]{32}", name):
                place = self.home / f"{name}.arrow"
                market, meta = opened(place)
                if meta.get("recipe") == recipe and meta["parts"]:
                    return Parts(hashes, meta["parts"], market.bars), Base(place, meta)
        except (Damaged, OSError, UnicodeError):
            pass
        return Parts(hashes), None

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
            "files": hashes(dict.fromkeys([*paths, *beside]), self.home / _SEEN),
            "code": _code(),
            "versions": [version(name) for name in _LIBRARIES],
        }

    def _keep(self, market: Market, place: Path, facts: Mapping[str, Any], base: Base | None) -> Market:
        """Write it whole or not at all, and give it as it lies there, which takes no memory of its own; what cannot be
        written is used as it is, and read again next time."""
        try:
            kept = write(check_market(market), place, facts, base)
            write_text(self.home / f".last-{facts['recipe']}", place.stem)
            self.trim(spare=place.name)
            return kept
        except (OSError, DataError):  # a full disk; bars that whoever asked for them will refuse
            _remove(place)
            return market

    def entries(self) -> list[tuple[Path, int, float]]:
        """(file, bytes, when last used) of each source, the longest unused first; a file of several counts once."""
        found = []
        for path in self.home.glob("[0-9a-f]*.arrow") if self.home.is_dir() else ():
            try:
                files = [one for one in (path, path.with_suffix(".more")) if one == path or one.exists()]
                states = [one.lstat() for one in files]
                size = sum(one.st_size // max(1, one.st_nlink) for one in states)
                meta = path.with_suffix(".json")
                found.append((path, size, (meta if meta.is_file() else path).lstat().st_mtime))
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
        left_over = (".*.lock", ".last-*", _SEEN)
        for left in (one for name in left_over for one in self.home.glob(name)) if self.home.is_dir() else ():
            left.unlink(missing_ok=True)
        return len(entries)


def _hash(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _remove(path: Path) -> None:
    for one in (path.with_suffix(".json"), path.with_suffix(".more"), path):
        one.unlink(missing_ok=True)


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


@cache
def _code() -> str:
    """The hash of everything that reads bars."""
    digest = hashlib.blake2b()
    for path in sorted(Path(barwise.data.__path__[0]).rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]
