"""The rows of a table to series of bars: numbers and times read, each symbol's rows put in order, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.adjust import adjust
from barwise.data.bars import COLUMNS, PRICES, Bars
from barwise.data.checks import BarFinding, value_findings
from barwise.data.notes import Notes
from barwise.data.readers import faults, numbers, order, stamps
from barwise.data.readers.clock import doubled_in, settle
from barwise.data.readers.layout import CELL
from barwise.data.readers.roles import NUMBERS
from barwise.data.readers.rows import Rows
from barwise.data.readers.table import RawTable
from barwise.errors import ConfigError

MEASURED = (*COLUMNS, "adj_close", "bid", "ask", "tick_volume")


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
    """One symbol's bars from one file; `days`: bars of a day or more; `naive`: intraday times without a zone."""

    where: str
    bars: Bars
    days: bool
    naive: bool
    exact: bool = False  # the file itself names the symbol


def read(table: RawTable, symbol: str, exact: bool, how: Reading, notes: Notes) -> tuple[list[Series], int, list[str]]:
    """(the series in a table, how many rows were dropped, the columns that hold no numbers). DataError for bad rows."""
    if table.header.wide is not None:
        return _wide(table, how, notes)
    values, unread, words = _values(table, table.roles.numbers, how, notes)
    _tell_columns(table, words, notes)
    rows = _rows(table, symbol, values, unread, how, notes)
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
        values, unread, _ = _values(table, group, how, notes)
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


def _values(table: RawTable, named: Mapping[str, str], how: Reading,
            notes: Notes) -> tuple[dict[str, np.ndarray], list[BarFinding], list[str]]:  # fmt: skip
    """(numbers by our names, cells that are none, columns that hold something else)."""
    columns = {ours: table.columns[column] for ours, column in named.items()}
    plain = {ours: c for ours, c in columns.items() if _is_number(c.type)}
    values = {ours: _floats(column) for ours, column in plain.items()}
    texts = {ours: column for ours, column in columns.items() if ours not in plain}
    marked = [ours for ours in PRICES if ours in values and numbers.dubious(values[ours])]
    known = [ours for ours in texts if ours in NUMBERS]
    if table.texts is not None and how.decimal != "." and (marked or known or how.decimal == ","):
        again = table.texts()  # a mark of thousands may have been read as one of decimals
        again_columns = {ours: again.columns[column] for ours, column in named.items()}
        if again.length == table.length:
            texts = {**texts, **{ours: c for ours, c in again_columns.items() if ours in NUMBERS and ours in plain}}
    words = [named[ours] for ours, column in texts.items() if ours not in NUMBERS and not _numeric(column)]
    texts = {ours: column for ours, column in texts.items() if named[ours] not in words}
    unread = []
    for ours, found in numbers.read(texts, how.decimal, table.habit, table.where, notes).items() if texts else ():
        values[ours] = found.values
        if not len(found.unread):
            continue
        if ours in NUMBERS:
            cells = texts[ours].cast(pa.string()).take(pa.array(found.unread)).to_pylist()
            unread.append(BarFinding(f"{ours} is not a number", found.unread, np.array(cells, object)))
        else:
            words.append(named[ours])
            del values[ours]
    order_ = [ours for ours in named if ours in values]
    return {ours: values[ours] for ours in order_}, unread, words


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_decimal(column.type) or pa.types.is_float16(column.type):
        column = column.cast(pa.float64())
    values = column.to_numpy(zero_copy_only=False) if column.num_chunks != 1 else column.chunk(0).to_numpy(False)
    return np.asarray(values, np.float64)


def _numeric(column: pa.ChunkedArray) -> bool:
    """Whether the first known cells of a column of text are numbers; an empty column holds no words either."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    head = [str(cell) for cell in column.drop_null().slice(0, 40).to_pylist()]
    known = [cell for cell in head if cell.strip()]
    return all(CELL.fullmatch(cell) for cell in known)


def _rows(table: RawTable, symbol: str, values: dict[str, np.ndarray], unread: list[BarFinding], how: Reading,
          notes: Notes) -> Rows:  # fmt: skip
    groups, symbols = _symbols(table, symbol)
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
    )


def _symbols(table: RawTable, symbol: str) -> tuple[np.ndarray, list[str]]:
    """The code of each row's symbol, -1 where it is missing, and the symbols."""
    name = table.roles.symbol
    if name is None or table.header.wide is not None:
        return np.zeros(table.length, np.int64), [symbol]
    column = table.columns[name]
    coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.unify_dictionaries().chunks) if coded.num_chunks else coded
    words = [" ".join(str(word).split()) if word is not None else "" for word in coded.dictionary.to_pylist()]
    words = [word[:-2] if _is_number(column.type) and word.endswith(".0") else word for word in words]
    symbols = sorted(set(words) - {""})
    place = {word: i for i, word in enumerate(symbols)}
    codes = np.array([*(place.get(word, -1) for word in words), -1], np.int64)
    indices = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return codes[indices.astype(np.int64)], symbols


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
    for code, name in enumerate(rows.symbols):
        some = np.flatnonzero((rows.groups == code) & sound) if len(rows.symbols) > 1 else np.flatnonzero(sound)
        if how.within is not None:
            inside = how.within(rows.time[some], rows.days)
            some = some[inside] if inside.any() else some  # that there is none is told later, of all files
        if len(some):
            some, wrong = order.ordered(table.where, name, rows.time, some, rows.values, notes)
            found += wrong
            found += _checked(rows, some, how)
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
            made.append(Series(table.where, bars, rows.days, rows.naive, exact))
    return made, len(lost) + (len(faults.skipped(table, None)) if how.drop else 0)


def _checked(rows: Rows, some: np.ndarray, how: Reading) -> list[BarFinding]:
    """Faults among one symbol's rows, as rows of the table."""
    part = {name: rows.values[name][some] for name in COLUMNS}
    found = value_findings(part)
    if how.adjusted:
        close = rows.values["adj_close"][some]
        bad = np.flatnonzero(~(np.isfinite(close) & (close > 0)))
        found += [BarFinding("adj_close is not a number above 0", bad, close[bad])] if len(bad) else []
    for name in rows.values.keys() - set(MEASURED):
        column = rows.values[name][some]
        bad = np.flatnonzero(np.isinf(column))
        found += [BarFinding(f"{name} is infinite", bad, column[bad])] if len(bad) else []
    return [f.at(some) for f in found]


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
    elif len(close) and np.nanmin(close) >= 1e8 and _whole(close):
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
    return Bars(symbol, rows.time if every else rows.time[some], **prices, extra=extra)


def _tell_columns(table: RawTable, words: Sequence[str], notes: Notes) -> None:
    """What became of each column of the file."""
    notes.columns.update(dict.fromkeys(map(str, table.roles.time), "time"))
    if table.roles.symbol is not None:
        notes.columns[str(table.roles.symbol)] = "symbol"
    for ours, column in table.roles.numbers.items():
        part = ours if ours in MEASURED else "extra"
        notes.columns[str(column)] = "left out: no numbers" if column in words else part
    notes.columns.update({str(column): f"left out: {why}" for column, why in table.roles.left_out.items()})
