"""What a symbol is: a column, a folder, a name; months of one are joined, and the same series twice is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from barwise.data.bars import COLUMNS, PRICES, Bars
from barwise.data.notes import Notes, listed
from barwise.data.readers.series import Series
from barwise.data.readers.sources import Source
from barwise.errors import DataError

COPY = re.compile(r"\s*(?:\(\d+\)|[-_ ]+(?:copy|kopie|copie|copia)(?:[ _]?\(?\d+\)?)?)$", re.IGNORECASE)
YEAR = r"(?:18|19|20|21)\d\d"
WORDED = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
PERIOD = rf"{YEAR}(?:[-_.]?(?:q[1-4]|w\d\d|m\d\d)|[-_.]?\d\d(?:[-_.]?\d\d)?)?"
DATED = re.compile(
    rf"[-_. ]*(?:{WORDED}[-_ ]?{YEAR}|{PERIOD}(?:[-_. ]+(?:to[-_. ]+)?{PERIOD})?|(?:part|chunk)[-_ ]?\d+)$",
    re.IGNORECASE,
)
SAME = 0.98  # of the bars of one file that another has too: they are one series


@dataclass(frozen=True)
class Named:
    """The symbol of each file that names none itself, and whether it is given by a folder `symbol=…`."""

    names: dict[str, str]
    sure: set[str]


def named(sources: Sequence[Source]) -> Named:
    """The symbol of each source: its hive folder's, else its name's, less dates and marks of copies."""
    names, sure = {}, set()
    for source in sources:
        if source.symbol is not None:
            names[source.where] = source.symbol
            sure.add(source.where)
    free = [source for source in sources if source.where not in names]
    stems = {source.where: source.stem for source in free}
    plain = {COPY.sub("", stem) for stem in stems.values() if not COPY.search(stem)}
    stems = {where: COPY.sub("", stem) if COPY.sub("", stem) in plain else stem for where, stem in stems.items()}
    bases = {where: DATED.sub("", stem) for where, stem in stems.items()}
    dated = [where for where in stems if bases[where] != stems[where]]
    every = len(free) > 1 and len(dated) == len(free)
    count: dict[str, int] = {}
    for where in stems:
        count[bases[where]] = count.get(bases[where], 0) + 1
    folders = {source.folder for source in free}
    for source in free:
        where = source.where
        stripped = every or (bases[where] != stems[where] and count[bases[where]] > 1)
        names[where] = bases[where] if stripped else stems[where]
        if not names[where]:
            names[where] = source.folder
    if len(folders) > 1 and len(free) > 1 and len({names[source.where] for source in free}) == 1:
        names.update({source.where: source.folder for source in free})  # AAPL/daily.csv, IBM/daily.csv
    return Named(names, sure)


def joined(found: Sequence[Series], notes: Notes) -> tuple[tuple[Bars, ...], list[Series]]:
    """(all bars by symbol, one series each with its parts joined). DataError where two files contradict each other."""
    parts: dict[str, list[Series]] = {}
    for series in found:
        parts.setdefault(series.bars.symbol, []).append(series)
    made = [_one(name, some, notes) for name, some in sorted(parts.items())]
    _tell_same(made, notes)
    return tuple(series.bars for series in made), made


def _one(name: str, parts: list[Series], notes: Notes) -> Series:
    """The series of one symbol from the files that hold it, in the order of time."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda p: (p.bars.time[0], -len(p.bars)))
    bars, overlapping = parts[0].bars, []
    for part in parts[1:]:
        if part.bars.time[0] > bars.time[-1]:
            bars = _after(bars, part.bars)
            continue
        shared = np.isin(part.bars.time, bars.time)
        if not shared.any() and _interleaved(parts):
            raise _contradiction(name, parts[0], part)
        _check_equal(name, bars, part, parts[0])
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
        notes.note(listed([p.where for p in parts]), f"{len(parts)} files are one symbol, {name}: joined")
    return replace(parts[0], bars=bars)


def _interleaved(parts: Sequence[Series]) -> bool:
    """Whether files overlap in time without sharing bars, as two different series of one name do."""
    return len(parts) > 1


def _contradiction(name: str, first: Series, second: Series) -> DataError:
    return DataError(f"data: symbol {name} is in {first.where} and in {second.where}, not with the same bars; "
                     "leave one out")  # fmt: skip


def _check_equal(name: str, bars: Bars, part: Series, first: Series) -> None:
    """DataError unless the bars that both have are the same."""
    _, ours, theirs = np.intersect1d(bars.time, part.bars.time, return_indices=True)
    same = np.ones(len(ours), bool)
    for column in PRICES:
        same &= np.isclose(getattr(bars, column)[ours], getattr(part.bars, column)[theirs], rtol=1e-6, atol=0)
    if (len(same) and same.mean() < SAME) or (len(same) and not same[:-1].all()):
        raise _contradiction(name, first, part)


def _after(bars: Bars, more: Bars) -> Bars:
    """The bars of both in the order of time; extra columns that one of them lacks are NaN there."""
    columns = {c: np.concatenate([getattr(bars, c), getattr(more, c)]) for c in ("time", *COLUMNS)}
    names = list(dict.fromkeys([*bars.extra, *more.extra]))
    extra = {
        c: np.concatenate([b.extra[c] if c in b.extra else np.full(len(b), np.nan) for b in (bars, more)])
        for c in names
    }
    both = Bars(bars.symbol, **columns, extra=extra)
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
