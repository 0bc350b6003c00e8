"""The store: feature matrices kept on disk, opened memory-mapped, shared by all trials and processes.

A matrix is known by what made it (`fingerprint`): its bars, and its sets as they stand in memory. When it is opened
its bytes are compared with their checksums (`verify`), and rows drawn anew are computed again (`spot_check`). Files
hold plain numbers and JSON: nothing that is loaded runs code.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.settings import Number, OneOf, check_value
from barwise.data.bars import Market
from barwise.data.memmap import free_memory
from barwise.features import FeatureSet
from barwise.features.extend import History, base_of, history_of
from barwise.features.fingerprint import fingerprint
from barwise.features.matrix import FeatureMatrix
from barwise.features.spot_check import Checker, windows_of
from barwise.features.store_writer import META, Facts, Kept, Make, Making, read_kept
from barwise.runs.blocks import Damaged, cache_folder, too_much

GIB = 2**30
_SHARE = 1 / 3  # of the memory that is free: a fit copies its training rows once and quantizes or scales them


@dataclass
class Report:
    """How a matrix was come by. `status`: opened, extended, built, not kept and `why`, or shared by the process that
    the trial was forked from; what the user must know."""

    status: str = "built"
    key: str | None = None
    why: tuple[str, ...] = ()
    warning: str | None = None
    alert: str | None = None
    checked: dict[str, Any] | None = None
    rejected: str | None = None

    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        return {"status": self.status, "key": self.key, "why_not": list(self.why), "checked": self.checked}


@dataclass(frozen=True)
class Stored:
    """A matrix, what is kept beside it, and how it was come by."""

    matrix: FeatureMatrix
    facts: Facts
    report: Report


@dataclass(frozen=True)
class Wanted:
    """A matrix that is asked for: where it would lie, of which bars and sets, and what is said of it so far."""

    folder: Path
    market: Market
    sets: Mapping[str, FeatureSet]
    report: Report
    made_by: str = ""


@dataclass(frozen=True)
class Store:
    """`conf/config.yaml`'s `cache`. `folder`: null is $BARWISE_CACHE, else the user's cache folder. `gb`: the most it
    may hold, the longest unused go first; 0 keeps nothing. `mapped`: whether a matrix is built in its file and read
    from there in blocks, as one larger than memory must be; auto: if it takes over a third of the free memory."""

    folder: str | Path | None = None
    gb: float = 10.0
    mapped: str | bool = "auto"

    def __post_init__(self) -> None:
        check_value("cache.gb", self.gb, Number(0, 10**6))
        check_value("cache.mapped", self.mapped, OneOf(("auto", True, False)))

    @property
    def home(self) -> Path:
        """Where matrices lie."""
        return home(self.folder) / "features"

    def matrix(self, data: str, market: Market, sets: Mapping[str, FeatureSet], make: Make) -> Stored:
        """The matrix of `sets` on the bars whose hash is `data`: opened if it is kept and some rows of it, computed
        again, are the same; else made, kept and opened.

        Of several processes that want it at once one makes it. What cannot be kept (code that cannot be followed, a
        full disk) is made and used as it is; one that is larger than memory then lies in a file without a name.
        """
        if not self.gb:
            return self.made(make, Report(why=("cache.gb=0 keeps nothing",)))
        named = fingerprint(data, sets, market.bars, make)
        if named.key is None:
            return self.made(make, Report(why=named.reasons))
        wanted = Wanted(self.home / named.key, market, sets, Report(key=named.key), named.sets)
        found = self._proved(wanted)
        if found is not None:
            return found
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            lock = (self.home / f".{named.key}.lock").open("a")
        except OSError as error:
            wanted.report.why = (f"{self.home} cannot be written ({error.strerror})",)
            return self.made(make, wanted.report)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the process ends, however it ends
            return self._proved(wanted) or self.made(make, wanted.report, wanted)

    def made(self, make: Make, report: Report | None = None, wanted: Wanted | None = None) -> Stored:
        """Make it, keep it and open what was kept; used as it is where it cannot be kept."""
        report = report or Report()
        with Making(self.home, self.maps) as making:
            begin = time.perf_counter()
            found = None if wanted is None or self.made_again(wanted) else self.base(wanted)
            base, place, history = found or (None, None, None)
            matrix, facts, carried_on = make(making.room, base)
            seconds = time.perf_counter() - begin
            kept = Kept(matrix, facts, base.seconds + seconds if base and carried_on else seconds, {}, "")
            report.status = "not kept"
            if wanted is None:
                return Stored(matrix, facts, report)
            if matrix.X.nbytes > self.gb * GIB:
                report.why = (f"it has {matrix.X.nbytes / GIB:.2f} GB, and cache.gb={self.gb:g}",)
                return Stored(matrix, facts, report)
            windows: dict[str, int | None] = (
                dict(base.windows)
                if base and carried_on
                else windows_of(matrix, wanted.market, wanted.sets, kept.seconds)
            )
            twice = Checker(matrix, wanted.market, wanted.sets, windows, kept.seconds).run()
            if twice.difference:
                report.why = (f"computed twice it is not the same: {twice.difference}",)
                return Stored(matrix, facts, report)
            windows |= dict.fromkeys(twice.inexact)
            try:
                _removed(wanted.folder)  # a damaged one, or one that is no longer right
                history = history or history_of(wanted.made_by, wanted.market)
                kept = replace(kept, windows=windows, history=history.meta())
                linked = making.keep(wanted.folder, kept, wanted.market.bars, place if carried_on else None)
                self.trim(spare=wanted.folder.name)
            except OSError as error:
                report.why = (f"{self.home} cannot be written ({error.strerror or error})",)
                return Stored(matrix, facts, report)
            report.status = "extended" if carried_on else "built"
            if linked:  # what would be read is what is at hand
                return Stored(matrix, facts, report)
            return self._opened(wanted, Stored(matrix, facts, report))

    def base(self, wanted: Wanted) -> tuple[Kept, Path, History] | None:
        """A kept matrix that has the first bars of this one and only lacks the last."""
        newest = [folder for folder, _, _ in reversed(self.entries())]
        return base_of(newest, wanted.made_by, wanted.market, self.maps)

    def made_again(self, wanted: Wanted) -> bool:
        """Whether a kept matrix turned out not to be what its sets give: then nothing kept is carried on."""
        return wanted.report.alert is not None

    def maps(self, size: int) -> bool:
        """Whether a matrix of so many bytes is read from its file in blocks."""
        return self.mapped is True or (self.mapped == "auto" and size > _SHARE * free_memory())

    def _proved(self, wanted: Wanted) -> Stored | None:
        """What is kept, if it is whole and its sets still give what they gave."""
        report = wanted.report
        try:
            kept = read_kept(wanted.folder, wanted.market.bars, self.maps)
        except Damaged as damage:
            report.warning = f"the kept feature matrix {wanted.folder.name} is damaged ({damage}): it is built again"
            return None
        if kept is None or kept.seal == report.rejected:
            return None
        checked = Checker(kept.matrix, wanted.market, wanted.sets, kept.windows, kept.seconds).run()
        report.checked = checked.report()
        if checked.difference:
            report.rejected = kept.seal
            report.alert = (
                f"the kept feature matrix {wanted.folder.name} is not what its sets give now ({checked.difference}):"
                " it is built again; runs that read it may be wrong"
            )
            return None
        report.status = "opened"
        return self._read(kept.matrix, kept.facts, report)

    def _opened(self, wanted: Wanted, made: Stored) -> Stored:
        try:
            kept = read_kept(wanted.folder, wanted.market.bars)
        except Damaged:
            kept = None
        return self._read(kept.matrix, kept.facts, made.report) if kept else made

    def _read(self, matrix: FeatureMatrix, facts: Facts, report: Report) -> Stored:
        held = matrix if self.maps(matrix.X.nbytes) else replace(matrix, X=np.asarray(matrix.X))
        return Stored(held, facts, report)

    def entries(self) -> list[tuple[Path, int, float]]:
        """(folder, bytes, when last used) of each matrix, the longest unused first."""
        found = []
        for folder in self.home.glob("[0-9a-f]*") if self.home.is_dir() else ():
            try:
                states = [file.lstat() for file in folder.iterdir()]
                size = sum(one.st_size // max(1, one.st_nlink) for one in states)  # linked files lie there once
                meta = folder / META
                found.append((folder, size, (meta if meta.is_file() else folder).stat().st_mtime))
            except OSError:
                continue
        return sorted(found, key=lambda entry: entry[2])

    def trim(self, spare: str = "") -> int:
        """Remove the longest unused until the rest fits; returns how many went. One that is mapped stays readable."""
        gone = list(too_much(self.entries(), self.gb * GIB, spare))
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        return len(gone)

    def clear(self) -> int:
        """Remove all, and what processes that were killed left a day ago or earlier; returns how many went."""
        entries = self.entries()
        for folder, _, _ in entries:
            shutil.rmtree(folder, ignore_errors=True)
        for lock in self.home.glob(".*.lock") if self.home.is_dir() else ():
            lock.unlink(missing_ok=True)
        for left in (*self.home.glob(".making-*"), *self.home.glob(".training-*")):
            if time.time() - left.stat().st_mtime > 86_400:
                shutil.rmtree(left, ignore_errors=True)
        return len(entries)


def home(folder: str | Path | None = None) -> Path:
    """Where everything that is kept lies: `folder`, else the user's."""
    return Path(folder) if folder else cache_folder()


def _removed(folder: Path) -> None:
    """See that nothing has this name."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)


def age(when: float) -> str:
    """How long ago, in words."""
    hours = (time.time() - when) / 3600
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
