"""The user's own bars: one file, long, wide or of one symbol, or a folder, glob or archive of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from barwise.data.adjust import splits
from barwise.data.bars import Bars, Market
from barwise.data.context import beside
from barwise.data.groups import chosen as chosen_groups
from barwise.data.members import within
from barwise.data.notes import Notes, listed
from barwise.data.plausible import ON_JUMP, plausible
from barwise.data.readers import clock, naming, series, sources, table
from barwise.data.readers.dates import AmbiguousDates
from barwise.data.readers.series import Reading, Series
from barwise.data.readers.sources import UNSURE, Source
from barwise.data.selection import bounds, selected
from barwise.data.settings import choice, number, yes_or_no
from barwise.errors import DataError, require

ON_BAD = ("error", "drop")
NEGATIVE = ("error", "midpoint")
SPLITS_SHOWN = 3


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
    Facts: `files`, `dropped_rows`, `adjusted`, `ignored_columns`, `columns`, `notes`, `warnings`.
    ConfigError for a setting, DataError for what is in the files.
    """
    require(
        path is not None and str(path).strip() != "",
        f"data.path={'null' if path is None else path}: must name a file of bars, a folder or a glob; "
        "data.path=my_bars.csv",
    )
    choice("on_bad", on_bad, ON_BAD, "error")
    choice("on_jump", on_jump, ON_JUMP, "warn")
    choice("negative", negative, NEGATIVE, "error")
    yes_or_no("adjusted", adjusted, False)
    require(
        day_first is None or isinstance(day_first, bool), f"data.day_first={day_first}: must be true, false or null"
    )
    require(
        decimal in (None, ".", ","), f"data.decimal={decimal}: must be . or , or null, which tells it from the file"
    )
    require(
        columns is None or isinstance(columns, Mapping),
        f"data.columns={columns}: must map our names to the file's; data.columns.close=Last",
    )
    if periods_per_year is not None:
        number("periods_per_year", periods_per_year, 1, 1e8, "null tells it from the times")
    if price_scale is not None:
        number("price_scale", price_scale, 1e-12, 1e12, "null takes prices as they are")
    clock.check_zone(timezone)
    asked = None if start is None and end is None else partial(_within, start, end, timezone)
    how = Reading(timezone, adjusted, on_bad == "drop", day_first, decimal, negative, price_scale, asked)
    notes = Notes()
    with sources.foreign(str(path)):
        every = sources.find(str(path), notes)
    found, dropped, ignored, count = read(every, str(path), columns or {}, header, how, notes)
    bars, made = naming.joined(found, every, notes)
    tell_zones(made, timezone, notes)
    bars, outside = selected(bars, symbols, start, end, str(path), timezone)
    bars = common_volume(bars, str(path), notes)
    bars, grouped = chosen_groups(bars, groups, str(path), notes)
    bars, left_out = common_extras(bars)
    for name in left_out:
        notes.warn(str(path), f"column {name} is left out: not every symbol has it")
        notes.columns[name] = "left out: not every symbol has it"
    if dropped:
        notes.warn(str(path), f"{dropped} bad {'row' if dropped == 1 else 'rows'} left out, as data.on_bad=drop asks")
    splits_found = [] if adjusted else split_warnings(bars)
    bars, doubts = plausible(bars, on_jump, splits_known=adjusted or any("adj_close" in b.extra for b in bars))
    facts = {
        "name": "files",
        "path": str(path),
        "files": count,
        "dropped_rows": dropped,
        "adjusted": bool(adjusted),
        "ignored_columns": [name for name in ignored if name not in grouped],
        "columns": notes.columns,
        "timezone": timezone or ("UTC" if any(s.naive for s in made) else None),
        "notes": notes.notes(),
        "warnings": [*notes.warnings(), *outside, *splits_found, *doubts],
    }
    market = Market(bars, None if periods_per_year is None else float(periods_per_year), facts)
    return beside(within(market, universe, timezone), context, timezone)


def _within(start: str | None, end: str | None, timezone: str | None, time: np.ndarray, days: bool) -> np.ndarray:
    """Which times, of days or in UTC, are asked for."""
    first, last = bounds(start, end, None if days else timezone)
    return (time >= first) & (time <= last)


def read(
    every: Sequence[Source], path: str, columns: Mapping[str, str | None], header: Sequence[str] | None, how: Reading,
    notes: Notes,
) -> tuple[list[Series], int, list[str], int]:  # fmt: skip
    """(every file's series, rows dropped, columns without numbers, files read)."""
    found: list[Series] = []
    dropped, count = 0, 0
    ignored: set[str] = set()
    known: table.Known = {}
    pending = list(every)
    while pending:
        doubtful: list[tuple[Source, AmbiguousDates]] = []
        for source in pending:
            one = Notes()
            try:
                raw = table.read(source, columns, header, one, known)
                made, lost, words = series.read(raw, naming.stem_of(source), source.symbol is not None, how, one)
            except AmbiguousDates as error:
                doubtful.append((source, error))
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
            ignored.update(str(name) for name in (*words, *raw.roles.left_out) if name)
            count += 1
            notes.add(one)
        if doubtful:
            how = _told_by_others(found, how, doubtful[0][1])
            notes.note(doubtful[0][0].where, "day and month are told by the other files")
        pending = [source for source, _ in doubtful]
    if not found:
        raise DataError(f"data.path={path}: no bar is left of {count} {'file' if count == 1 else 'files'}")
    return found, dropped, sorted(ignored), count


def _told_by_others(found: Sequence[Series], how: Reading, error: AmbiguousDates) -> Reading:
    """The settings with the order of day and month that all other files have; the error where they tell none."""
    orders = {one.order for one in found} & {"day first", "month first"}
    if len(orders) != 1 or how.day_first is not None:
        raise error
    return replace(how, day_first=orders == {"day first"})


def _no_bars(source: Source, every: Sequence[Source]) -> bool:
    """Whether a file that cannot be read may be something else than bars: a note among the files of a folder."""
    return source.listed and source.ending in UNSURE and any(other.ending not in UNSURE for other in every)


def common_volume(bars: tuple[Bars, ...], path: str, notes: Notes) -> tuple[Bars, ...]:
    """`bars`, without volume where any symbol has none: one model reads the same columns of all."""
    without = [b.symbol for b in bars if np.isnan(b.volume).all()]
    if not without:
        return bars
    whole = len(without) == len(bars)
    which = "" if whole else f" for {listed(without)}, so that none is used"
    notes.warn(path, f"there is no volume{which}; features that need it are left out")
    return bars if whole else tuple(replace(b, volume=np.full(len(b), np.nan)) for b in bars)


def common_extras(bars: tuple[Bars, ...]) -> tuple[tuple[Bars, ...], list[str]]:
    """`bars` with the extra columns that every symbol has, and the names of the others."""
    have = [{name for name, values in b.extra.items() if not np.isnan(values).all()} for b in bars]
    every, some = set.intersection(*have), set.union(*have)
    if every == some and all(len(b.extra) == len(every) for b in bars):
        return bars, []
    kept = tuple(replace(b, extra={name: b.extra[name] for name in sorted(every)}) for b in bars)
    return kept, sorted(some - every)


def tell_zones(made: Sequence[Series], timezone: str | None, notes: Notes) -> None:
    """Naive intraday times are taken as UTC with a warning; files that differ in having a zone are refused."""
    naive = [s.where for s in made if s.naive]
    aware = [s.where for s in made if not s.naive and not s.days]
    if timezone is None and naive:
        clock.check_mixed(naive, aware)
        for where in dict.fromkeys(naive):
            notes.warn(where, "intraday times without a zone are taken as UTC; data.timezone says what they mean")


def split_warnings(bars: tuple[Bars, ...]) -> list[str]:
    """One warning that names the first splits which unadjusted closes show as moves."""
    seen = [(b.symbol, day, ratio) for b in bars if "adj_close" in b.extra for day, ratio in splits(b)]
    if not seen:
        return []
    told = ", ".join(f"{symbol} {str(day)[:10]} ({ratio:.3g} for 1)" for symbol, day, ratio in seen[:SPLITS_SHOWN])
    more = f" and {len(seen) - SPLITS_SHOWN} more" if len(seen) > SPLITS_SHOWN else ""
    return [
        f"unadjusted closes have splits: {told}{more}; data.adjusted=true mends prices and volume by the adjusted close"
    ]
