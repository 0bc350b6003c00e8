"""The rows of a table to series of bars: numbers and times read, each symbol's rows put in order, and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from barwise.data.adjust import adjust
from barwise.data.bars import COLUMNS, PRICES, Bars
from barwise.data.checks import BarFinding, value_findings
from barwise.data.groups import encoded, put
from barwise.data.notes import Notes
from barwise.data.readers import cells, faults, order, stamps
from barwise.data.readers.clock import doubled_in, settle
from barwise.data.readers.rows import Rows
from barwise.data.readers.table import RawTable
from barwise.errors import ConfigError

_MEASURED = (*COLUMNS, "adj_close", "bid", "ask", "tick_volume")


@dataclass(frozen=True)
class Reading:
    """The settings of a source of files that reach its rows; as `barwise.data.files.load` takes them."""

    timezone: str | None = None
    adjusted: bool = False
    drop: bool = False
    day_first: bool | None = None
    decimal: str | None = None
    negative: str = "error"
    price_scale: float | None = None
    within: Callable[[np.ndarray, bool], np.ndarray] | None = None  # which times (of days?) are asked for


@dataclass
class Series:
    """One symbol's bars from one file, or from several one after the other, `files`; `days`: bars of a day or more;
    `naive`: intraday times without a zone."""

    where: str
    bars: Bars
    days: bool
    naive: bool
    exact: bool = False  # the file itself names the symbol
    order: str | None = None  # day or month first, where the dates told
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.files = self.files or (self.where,)


def read(table: RawTable, symbol: str, exact: bool, how: Reading, notes: Notes) -> tuple[list[Series], int, list[str]]:
    """(the series in a table, how many rows were dropped, the columns that hold no numbers). DataError for bad rows."""
    if table.header.wide is not None:
        return _wide(table, how, notes)
    values, unread, words = cells.values(table, table.roles.numbers, how.decimal, notes)
    _tell_columns(table, words, notes)
    rows = _rows(table, symbol, values, unread, how, notes)
    coded = {name: encoded(table.columns[name]) for name in words}
    rows.words = {str(name): one for name, one in coded.items() if one is not None and len(one[1])}
    if how.adjusted and "adj_close" not in values:
        raise ConfigError(
            f"data.adjusted=true: {table.where} has no adjusted close; name it: data.columns.adj_close=<a column>"
        )
    made, dropped = _series(table, rows, exact or table.roles.symbol is not None, how, notes)
    return made, dropped, words


def _wide(table: RawTable, how: Reading, notes: Notes) -> tuple[list[Series], int, list[str]]:
    """Symbols side by side: a row without a price of one is no bar of it."""
    made, dropped = [], 0
    groups = table.header.wide or {}
    beside = {column for group in groups.values() for column in group.values()}
    words = [name for name in table.columns if name not in beside and name not in table.roles.time]
    for symbol, group in groups.items():
        values, unread, _ = cells.values(table, group, how.decimal, notes)
        rows = _rows(table, symbol, values, unread, how, notes)
        hollow = np.logical_and.reduce([np.isnan(rows.values[name]) for name in PRICES])
        if (hollow & rows.keep).any():
            notes.note(table.where, f"{int((hollow & rows.keep).sum())} rows have no bar of {symbol}")
            rows.keep &= ~hollow
        if rows.keep.any():
            some, lost = _series(table, rows, True, how, notes)
            made += some
            dropped += lost
    if len(groups) > 1:
        notes.note(table.where, f"{len(groups)} symbols side by side")
    notes.columns.update({name: "time" for name in table.roles.time if name})
    fields = dict.fromkeys(ours for group in groups.values() for ours in group)
    notes.columns.update({ours: f"{ours} of each symbol" for ours in fields})
    notes.columns.update(dict.fromkeys(words, "left out: of no symbol"))
    return made, dropped, words


def _rows(table: RawTable, symbol: str, values: dict[str, np.ndarray], unread: list[BarFinding], how: Reading,
          notes: Notes) -> Rows:  # fmt: skip
    groups, symbols = cells.symbols(table, symbol)
    columns = [table.columns[name] for name in table.roles.time]
    found = stamps.read(columns, how.day_first, groups if len(symbols) > 1 else None, table.where)
    settled = settle(found, groups, how.timezone, table.where, notes)
    if found.order in ("day first", "month first"):
        notes.note(table.where, f"dates are read {found.order}")
    if len(table.roles.time) > 1:
        notes.note(table.where, f"the time is in {' and '.join(map(str, table.roles.time))}")
    keep = np.ones(table.length, bool)
    bad = np.isnat(settled.time)
    if bad.any():
        hollow = np.logical_and.reduce([~np.isfinite(values[name]) for name in PRICES]) & bad
        if hollow.any():
            keep &= ~hollow
            faults.tell_no_bars(table, columns[0], np.flatnonzero(hollow), notes)
    last = table.length - 1
    if not table.whole and last > 0 and any(np.isnan(values[n][last]) for n in COLUMNS if n in values):
        keep[last] = False
        notes.warn(table.where, "the last row is cut: left out")
    return Rows(
        settled.time,
        settled.days,
        settled.naive,
        groups,
        symbols,
        values,
        unread,
        lambda row: str(columns[0][row].as_py() or ""),
        keep,
        found.order,
    )


def _series(table: RawTable, rows: Rows, exact: bool, how: Reading, notes: Notes) -> tuple[list[Series], int]:
    """Each symbol's rows in order, without repeats, checked; and the number of rows that `drop` left out."""
    _volume(table, rows, how, notes)
    _scale(table, rows, how, notes)
    faults.tell_closes_alone(table, rows, notes)
    found = faults.of_rows(table, rows)
    sound = rows.keep.copy()
    for finding in found:
        sound[finding.rows] = False
    parts = {}
    several = len(rows.symbols) > 1
    clean = several and not _checked(rows, slice(None), how)  # then no symbol has a row that is not
    for name, some in zip(rows.symbols, _by_symbol(rows, sound), strict=True):
        if how.within is not None:
            inside = how.within(rows.time[some], rows.days)
            some = some[inside] if inside.any() else some  # that there is none is told later, of all files
        if len(some):
            some, wrong = order.ordered(table.where, name, rows.time, some, rows.values, notes)
            found += wrong
            found += [] if clean else _checked(rows, some, how)
            parts[name] = some
    lost = np.unique(np.concatenate([f.rows for f in found])) if found else np.zeros(0, np.int64)
    total = int(rows.keep.sum())
    if len(lost) or table.skipped:
        odd = faults.skipped(table, notes)
        faults.decide(table, rows, found, odd, len(lost), total, how.drop, doubled_in)
    made = []
    for name, some in parts.items():
        kept = np.setdiff1d(some, lost) if len(lost) else some
        kept = kept[np.argsort(rows.time[kept], kind="stable")] if len(lost) else kept
        if len(kept):
            bars = _bars(name, rows, kept)
            bars = adjust(bars) if how.adjusted else bars
            made.append(Series(table.where, bars, rows.days, rows.naive, exact, rows.order))
    return made, len(lost) + (len(faults.skipped(table, None)) if how.drop else 0)


def _by_symbol(rows: Rows, sound: np.ndarray) -> list[np.ndarray]:
    """The sound rows of each symbol, in the order of the file."""
    if len(rows.symbols) == 1:
        return [np.flatnonzero(sound)]
    order = np.argsort(rows.groups, kind="stable")
    order = order[sound[order]]
    return np.split(order, np.searchsorted(rows.groups[order], np.arange(len(rows.symbols) + 1)))[1:-1]


def _checked(rows: Rows, some: np.ndarray | slice, how: Reading) -> list[BarFinding]:
    """Faults among one symbol's rows, as rows of the table; among all of them, for whether there is any."""
    part = {name: rows.values[name][some] for name in COLUMNS}
    found = value_findings(part)
    if how.adjusted:
        close = rows.values["adj_close"][some]
        bad = np.flatnonzero(~(np.isfinite(close) & (close > 0)))
        found += [BarFinding("adj_close is not a number above 0", bad, close[bad])] if len(bad) else []
    for name in rows.values.keys() - set(_MEASURED):
        column = rows.values[name][some]
        bad = np.flatnonzero(np.isinf(column))
        found += [BarFinding(f"{name} is infinite", bad, column[bad])] if len(bad) else []
    return found if isinstance(some, slice) else [f.at(some) for f in found]


def _volume(table: RawTable, rows: Rows, how: Reading, notes: Notes) -> None:
    """No volume at all (none, zeros or -1 throughout) is NaN throughout; ticks stand in for zeros."""
    ticks = rows.values.get("tick_volume")
    volume = rows.values.get("volume")
    known = None if volume is None else volume[rows.keep & np.isfinite(volume)]
    if volume is not None and how.negative == "midpoint":
        rows.values["volume"] = volume = np.where(volume < 0, 0.0, volume)
    if known is None or not len(known) or (known == 0).all() or (known == -1).all():
        if any(f.what == "volume is not a number" for f in rows.unread):
            return
        if ticks is not None and (ticks[rows.keep] > 0).any():
            rows.values["volume"] = rows.values.pop("tick_volume")
            notes.note(table.where, "the volume is 0 throughout: the tick volume is taken")
            named = table.roles.numbers
            notes.columns.update({named["volume"]: "left out: 0 throughout", named["tick_volume"]: "volume"})
            return
        said = (
            "is no volume"
            if known is None
            else f"is no volume: {known[0]:g} throughout"
            if len(known)
            else "is no volume"
        )
        rows.values["volume"] = np.full(table.length, np.nan)
        notes.note(table.where, f"there {said}")


def _scale(table: RawTable, rows: Rows, how: Reading, notes: Notes) -> None:
    """Prices in another unit, and CRSP's negative ones, as asked."""
    if how.negative == "midpoint":
        below = rows.values["close"] < 0
        if below.any():
            rows.values["close"] = np.abs(rows.values["close"])
            for name in ("open", "high", "low"):
                missing = ~np.isfinite(rows.values[name]) & np.isfinite(rows.values["close"])
                rows.values[name] = np.where(missing, rows.values["close"], rows.values[name])
            notes.note(table.where, f"{int(below.sum())} negative closes are read as the mid of bid and ask")
    close = rows.values["close"][rows.keep]
    if how.price_scale is not None:
        for name in (*PRICES, "adj_close", "bid", "ask"):
            if name in rows.values:
                rows.values[name] = rows.values[name] * how.price_scale
    elif np.isfinite(close).any() and np.nanmin(close) >= 1e8 and _whole(close):
        notes.warn(
            table.where,
            "prices are whole numbers above 100,000,000, as of a feed that counts in 1e-9: read as written; "
            "data.price_scale=1e-9 brings them to units",
        )


def _whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool((known == np.rint(known)).all())


def _bars(symbol: str, rows: Rows, some: np.ndarray) -> Bars:
    every = len(some) == len(rows.time) and bool((some[1:] > some[:-1]).all())
    columns = {name: column if every else column[some] for name, column in rows.values.items()}
    prices = {name: np.ascontiguousarray(columns.pop(name)) for name in COLUMNS}
    extra = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    bars = Bars(symbol, rows.time if every else rows.time[some], **prices, extra=extra, groups={}, group_names={})
    return put(bars, {name: (codes[some], names) for name, (codes, names) in rows.words.items()})


def _tell_columns(table: RawTable, words: Sequence[str], notes: Notes) -> None:
    """What became of each column of the file."""
    notes.columns.update(dict.fromkeys(map(str, table.roles.time), "time"))
    if table.roles.symbol is not None:
        notes.columns[str(table.roles.symbol)] = "symbol"
    for ours, column in table.roles.numbers.items():
        part = ours if ours in _MEASURED else "extra"
        notes.columns[str(column)] = "left out: no numbers" if column in words else part
    notes.columns.update({str(column): f"left out: {why}" for column, why in table.roles.left_out.items()})
