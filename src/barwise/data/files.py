"""The user's own bars: one file, long, wide or of one symbol, or a folder, glob or archive of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from barwise.data.assemble import Asked, Read, completed, market
from barwise.data.bars import Market
from barwise.data.notes import Notes
from barwise.data.parts import CARRIED
from barwise.data.readers import naming, remote, series, sources, table
from barwise.data.readers.dates import AmbiguousDates
from barwise.data.readers.series import Reading, Series
from barwise.data.readers.sources import UNSURE, Source
from barwise.data.settings import setting
from barwise.errors import DataError, require


def load(
    path: str | None,
    columns: Mapping[str, str | None] | None = None,
    header: Sequence[str] | None = None,
    adjusted: bool = False,
    timezone: str | None = None,
    day_first: bool | None = None,
    decimal: str | None = None,
    price_scale: float | None = None,
    negative: str = "error",
    periods_per_year: float | None = None,
    on_bad: str = "error",
    on_jump: str = "warn",
    symbols: str | Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    universe: str | None = None,
    context: str | None = None,
    groups: str | Sequence[str] | None = None,
    extra: str | Sequence[str] | None = None,
    as_of: str | Sequence[str] | None = None,
    actions: str | None = None,
    contracts: str | None = None,
) -> Market:
    """The bars in `path`: a file, folder, glob or archive; ordered by symbol, checked, in UTC or dated by their day.

    `columns`: {our name: the file's}, for names that are not known. `header`: the names of the columns of a file
    without a row of them. `adjusted`: bring prices to the level of the adjusted close, volume inversely. `timezone`:
    what naive intraday times mean (UTC, with a warning, if null). `day_first`: what 03/04/2024 means where the dates
    do not tell. `decimal`: the mark of decimals, where the numbers do not tell. `price_scale`: what prices are
    multiplied by. `negative`: `error`, or `midpoint` for CRSP's. `on_bad`: `error`, or `drop` to leave bad rows out.
    `on_jump`: what becomes of prices that cannot be, as `barwise.data.plausible.plausible` says. `symbols`, `start`,
    `end`: which bars; what lies outside need not be sound.
    `universe`: a file of symbol, from, to. `context`: a file of further columns, as `barwise.data.context.beside`
    takes it. `groups`: the columns of words or codes that group symbols, as `barwise.data.groups.chosen` takes them.
    `as_of`: a file or several of what was known when, restated or not: `known`, perhaps `time` and symbol, and numbers.
    `actions`: a file of splits and dividends, as `barwise.data.actions.applied` takes it.
    `contracts`: the file of data.contracts, whose columns are kept for the symbols that have them.
    `extra`: the further columns of numbers to keep; null keeps all. Of Parquet only the columns, row groups and
    partitions (`symbol=`, `year=`, `date=`) that are asked for are read, at addresses (s3://, gs://, https://) too.
    Facts: `files`, `dropped_rows`, `adjusted`, `ignored_columns`, `columns`, `notes`, `warnings`.
    ConfigError for a setting, DataError for what is in the files.
    """
    require(
        path is not None and str(path).strip() != "",
        f"data.path={'null' if path is None else path}: must name a file of bars, a folder or a glob; "
        "data.path=my_bars.csv",
    )
    asked = Asked(
        columns, adjusted, timezone, day_first, decimal, price_scale, negative, periods_per_year, on_bad, on_jump,
        symbols, start, end, universe, context, groups, extra, as_of, actions, contracts,
    )  # fmt: skip
    notes = Notes()
    with sources.foreign(str(path)):
        every = remote.find(str(path), notes) if remote.is_remote(str(path)) else sources.find(str(path), notes)
    found, count = read(every, str(path), header, asked, notes)
    return completed(market("files", str(path), found, asked, {"path": str(path), "files": count}), asked)


def paths(path: str | None = None, *_: object, **__: object) -> list[Path] | None:
    """The files that `load` would read; None for those at an address."""
    if path is None or remote.is_remote(str(path)):
        return None
    found = sources.find(str(path), Notes())
    return list(dict.fromkeys(source.file for source in found))


def read(
    every: Sequence[Source], path: str, header: Sequence[str] | None, asked: Asked, notes: Notes
) -> tuple[Read, int]:
    """What every file holds, and how many were read."""
    wanted, how = asked.wanted, asked.reading
    found: list[Series] = []
    dropped, count = 0, 0
    ignored: set[str] = set()
    known: table.Known = {}
    empty: list[Source] = []
    pending = [source for source in every if not wanted.outside(source.keys, source.symbol)]
    if not pending:
        raise DataError(f"data.path={path}: {nothing_asked(asked, path)}")
    parts = CARRIED.get()
    found += parts.series(pending) if parts is not None else []
    while pending:
        doubtful: list[tuple[Source, AmbiguousDates]] = []
        for source in pending:
            kept = parts.found(source) if parts is not None else None
            if kept is not None:
                dropped += kept[0]
                ignored.update(kept[1])
                count += 1
                notes.add(kept[2])
                continue
            one = Notes()
            try:
                raw = table.read(source, wanted, header, one, known)
                made, lost, words = series.read(raw, naming.stem_of(source), source.symbol is not None, how, one)
            except AmbiguousDates as error:
                doubtful.append((source, error))
                continue
            except table.NoRows:
                if not source.listed and wanted.everything:
                    raise
                empty.append(source)
                continue
            except DataError:
                if _no_bars(source, every):
                    notes.warn(path, f"{source.stem}{source.ending} passed over: it holds no bars")
                    continue
                raise
            for key, value in source.keys:
                if value != source.symbol:
                    one.note(source.where, f"the folder {key}={value} is no symbol: not used")
            found += made
            dropped += lost
            unused = [str(name) for name in (*words, *raw.roles.left_out) if name]
            ignored.update(unused)
            count += 1
            if parts is not None:
                parts.note(source, made, lost, unused, one)
            notes.add(one)
        if doubtful:
            how = _told_by_others(found, how, doubtful[0][1])
            notes.note(doubtful[0][0].where, "day and month are told by the other files")
        pending = [source for source, _ in doubtful]
    if wanted.everything:
        for source in empty:
            notes.warn(path, f"{source.stem}{source.ending} passed over: it has no rows")
    if not found and empty and not wanted.everything:
        raise DataError(f"data.path={path}: {nothing_asked(asked, path)}")
    if not found:
        raise DataError(f"data.path={path}: no bar is left of {count} {'file' if count == 1 else 'files'}")
    return Read(found, every, dropped, sorted(ignored), notes), count


def nothing_asked(asked: Asked, path: str) -> str:
    """Why no row is left: what was asked for."""
    named = (("symbols", asked.symbols), ("start", asked.start), ("end", asked.end))
    parts = " ".join(setting(name, value) for name, value in named if value is not None)
    return f"has no row of {parts}; python -m barwise look {shlex.quote(path)} shows what there is"


def _told_by_others(found: Sequence[Series], how: Reading, error: AmbiguousDates) -> Reading:
    """The settings with the order of day and month that all other files have; the error where they tell none."""
    orders = {one.order for one in found} & {"day first", "month first"}
    if len(orders) != 1 or how.day_first is not None:
        raise error
    return replace(how, day_first=orders == {"day first"})


def _no_bars(source: Source, every: Sequence[Source]) -> bool:
    """Whether a file that cannot be read may be something else than bars: a note among the files of a folder."""
    return source.listed and source.ending in UNSURE and any(other.ending not in UNSURE for other in every)
