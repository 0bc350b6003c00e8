"""What a symbol is: a column, a folder, a name; months of one are joined, and the same series twice is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from barwise.data.bars import COLUMNS, PRICES, Bars
from barwise.data.groups import put, together
from barwise.data.notes import Notes, listed
from barwise.data.readers.series import Series
from barwise.data.readers.sources import Source
from barwise.errors import DataError

_COPY = re.compile(r"\s*(?:\(\d+\)|[-_ ]+(?:copy|kopie|copie|copia)(?:[ _]?\(?\d+\)?)?)$", re.IGNORECASE)
_YEAR = r"(?:18|19|20|21)\d\d"
_WORDED = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_PERIOD = rf"{_YEAR}(?:[-_.]?(?:q[1-4]|w\d\d|m\d\d)|[-_.]?\d\d(?:[-_.]?\d\d)?)?"
_DATED = re.compile(
    rf"(?:(?:^|[-_. ]+)(?:{_WORDED}[-_ ]?{_YEAR}|{_PERIOD}(?:[-_. ]+(?:to[-_. ]+)?{_PERIOD})?|(?:part|chunk)[-_ ]?\d+)"
    rf"|(?<=[a-z]){_YEAR}[01]\d(?:\d\d)?)$",
    re.IGNORECASE,
)
_SAME = 0.98  # of the bars that two files share: they are one series


def stem_of(source: Source) -> str:
    """The symbol of a file by itself: its hive folder's, or its name."""
    return source.symbol or source.stem


def _base_of(source: Source) -> str:
    """The symbol of a file less dates and the mark of a copy; its folder's name where nothing is left."""
    return _DATED.sub("", _COPY.sub("", source.stem)) or source.folder


def joined(found: Sequence[Series], sources: Sequence[Source], notes: Notes) -> tuple[tuple[Bars, ...], list[Series]]:
    """(all bars by symbol, one series each with its parts joined). DataError where two files contradict each other."""
    parts = _by_symbol(_named(found, {source.where: source for source in sources}, notes))
    del found  # what is joined is gone from `parts`
    made = [_one(name, parts.pop(name), notes) for name in sorted(parts)]
    _tell_same(made, notes)
    return tuple(series.bars for series in made), made


def _by_symbol(found: Sequence[Series]) -> dict[str, list[Series]]:
    parts: dict[str, list[Series]] = {}
    for series in found:
        parts.setdefault(series.bars.symbol, []).append(series)
    return parts


def _named(found: Sequence[Series], sources: dict[str, Source], notes: Notes) -> list[Series]:
    """The series, those that only their file's name names under one name where they are parts of one."""
    loose = [series for series in found if not series.exact]
    if len(loose) < 2:
        return list(found)
    stems = {sources[series.where].stem for series in loose}
    folders = {sources[series.where].folder for series in loose}
    if len(stems) == 1 and len(folders) == len(loose):  # AAPL/daily.csv, IBM/daily.csv
        return [s if s.exact else _as(s, sources[s.where].folder) for s in found]
    groups: dict[str, list[Series]] = {}
    for series in loose:
        groups.setdefault(_base_of(sources[series.where]), []).append(series)
    dated = all(_base_of(sources[series.where]) != sources[series.where].stem for series in loose)
    names = {}
    for base, some in groups.items():
        if len(some) > 1 and not _one_series(some):
            _tell_copies(some, sources, notes)
        elif len(some) > 1 or dated:
            names.update({series.where: base for series in some})
    return [_as(s, names[s.where]) if not s.exact and s.where in names else s for s in found]


def _as(series: Series, name: str) -> Series:
    return replace(series, bars=replace(series.bars, symbol=name))


def _one_series(parts: Sequence[Series]) -> bool:
    """Whether files are stretches of one series: bars of one kind, at other times or the same ones."""
    if len({part.days for part in parts}) > 1:
        return False
    parts = sorted(parts, key=lambda p: (p.bars.time[0], -len(p.bars)))
    before = parts[0].bars
    for part in parts[1:]:
        if part.bars.time[0] <= before.time[-1]:
            _, ours, theirs = np.intersect1d(before.time, part.bars.time, return_indices=True)
            if not len(ours) or not _equal(before, part.bars, ours, theirs):
                return False
        before = part.bars if part.bars.time[-1] > before.time[-1] else before
    return True


def _equal(one: Bars, other: Bars, ours: np.ndarray, theirs: np.ndarray) -> bool:
    same = np.ones(len(ours), bool)
    for column in PRICES:
        same &= np.isclose(getattr(one, column)[ours], getattr(other, column)[theirs], rtol=1e-6, atol=0)
    return bool(same.mean() >= _SAME and same[:-1].all())  # the last of a download may not have been over


def _tell_copies(parts: Sequence[Series], sources: dict[str, Source], notes: Notes) -> None:
    for part in parts:
        stem = sources[part.where].stem
        if _COPY.search(stem):
            notes.warn(part.where, f"by its name a copy of {_COPY.sub('', stem)}, and its bars are others: "
                                   f"a symbol of its own, {stem}")  # fmt: skip


def _one(name: str, parts: list[Series], notes: Notes) -> Series:
    """The series of one symbol from the files that hold it, in the order of time."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda p: (p.bars.time[0], -len(p.bars)))
    bars, overlapping = parts[0].bars, []
    follow = all(b.bars.time[0] > a.bars.time[-1] for a, b in pairwise(parts))
    if follow:  # most are: put behind each other at once, not one after the other
        bars = _after(*(part.bars for part in parts))
    for part in () if follow else parts[1:]:
        if part.bars.time[0] > bars.time[-1]:
            bars = _after(bars, part.bars)
            continue
        _, ours, theirs = np.intersect1d(bars.time, part.bars.time, return_indices=True)
        if not len(ours) or not _equal(bars, part.bars, ours, theirs):
            raise DataError(
                f"data: symbol {name} is in {parts[0].where} and in {part.where}, and their bars differ; leave one out"
            )
        shared = np.zeros(len(part.bars), bool)
        shared[theirs] = True
        overlapping.append((part.where, int(shared.sum()), bool(shared.all())))
        bars = _after(bars, part.bars.take(np.flatnonzero(~shared))) if not shared.all() else bars
    if len({p.days for p in parts}) > 1:
        day = next(p for p in parts if p.days)
        other = next(p for p in parts if not p.days)
        raise DataError(
            f"data: symbol {name} has bars of days in {day.where} and shorter ones in {other.where}; keep one of them"
        )
    for where, count, whole in overlapping:
        notes.warn(where, f"{'all' if whole else count} of its bars of {name} are in {parts[0].where} too: left out")
    if len(parts) > len(overlapping):
        files = [file for part in parts for file in part.files]
        notes.note(listed(files), f"{len(files)} files are one symbol, {name}: joined")
    return replace(parts[0], bars=bars)


def _after(*parts: Bars) -> Bars:
    """The bars of all in the order of time; extra columns that one of them lacks are NaN there."""
    columns = {c: np.concatenate([getattr(b, c) for b in parts]) for c in ("time", *COLUMNS)}
    names = list(dict.fromkeys(name for b in parts for name in b.extra))
    known, plain = parts[0].known, not any(b.groups for b in parts) and all(list(b.extra) == names for b in parts)
    if known is not None and plain and all(b.time[0] > a.time[-1] for a, b in pairwise(parts)):
        extra = {c: np.concatenate([b.extra[c] for b in parts]) for c in names}
        return Bars(parts[0].symbol, **columns, extra=extra, groups={}, group_names={}).known_as(known)
    extra = {c: np.concatenate([b.extra[c] if c in b.extra else np.full(len(b), np.nan) for b in parts]) for c in names}
    both = put(Bars(parts[0].symbol, **columns, extra=extra, groups={}, group_names={}), together(parts))
    if (np.diff(both.time) > np.timedelta64(0)).all():
        return both
    return both.take(np.argsort(both.time, kind="stable"))


def _tell_same(made: Sequence[Series], notes: Notes) -> None:
    """A warning where two symbols have the same bars."""
    seen: dict[bytes, str] = {}
    for series in made:
        bars = series.bars
        if len(bars) < 3 or bool((bars.close == bars.close[0]).all()):
            continue
        key = bars.time.tobytes()[-4096:] + bars.close.tobytes()[-4096:] + bars.open.tobytes()[-4096:]
        if key in seen:
            notes.warn("data", f"{seen[key]} and {bars.symbol} have the same bars: one series under two names")
        seen.setdefault(key, bars.symbol)
