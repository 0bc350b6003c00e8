"""The bars, checked and adjusted, that one file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from barwise.data.adjust import adjust
from barwise.data.bars import COLUMNS, Bars
from barwise.data.checks import Finding, complain, time_findings, value_findings
from barwise.data.tables import Table, read, suffix
from barwise.data.times import Times, parse
from barwise.errors import ConfigError, DataError


@dataclass(frozen=True)
class Content:
    """The bars of one file, its times, how many rows were dropped, and the columns left out for holding no numbers."""

    where: str
    bars: tuple[Bars, ...]
    times: Times
    dropped: int
    ignored: tuple[str, ...]


def content(path: Path, columns: Mapping[str, str | None], timezone: str | None, adjusted: bool, drop: bool) -> Content:
    """Read, check and adjust one file; parameters as in `barwise.data.files.load`."""
    where = str(path)
    table = read(path, columns, where)
    if adjusted and "adj_close" not in table.numbers:
        raise ConfigError(
            f"data.adjusted=true: {where} has no adjusted close; name it: data.columns.adj_close=<a column>"
        )
    times = parse(table.time, timezone, where)
    symbol = names_of(table, path)
    found = unreadable(table, times.utc, symbol)
    whole = np.ones(len(symbol), bool)
    for finding in found:
        whole[finding.rows] = False
    bars = []
    for name, every in rows_by_symbol(symbol):
        rows = every[whole[every]]
        newest_first(where, name, rows, times.utc[rows])
        found += [f.at(rows) for f in row_findings(table, times.utc, rows, adjusted)]
        bars.append(bars_of(name, table, times.utc, kept_rows(rows, found, times.utc) if drop else rows))
    if found and not drop:
        raise DataError(complain(where, found, symbol))
    dropped = len(symbol) - sum(map(len, bars))
    if dropped * 2 > len(symbol):
        left = f"data.on_bad=drop would leave out {dropped} of {len(symbol)} rows, more than half: mend the file"
        raise DataError(complain(where, found, symbol, left))
    some = tuple(adjust(b) if adjusted else b for b in bars if len(b))
    return Content(where, some, times, dropped, table.ignored)


def rows_by_symbol(symbol: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(symbol, its rows in the order of the file), ordered by symbol; rows without one are in none."""
    codes, names = pd.factorize(symbol, sort=True)
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return [(str(name), part) for name, part in zip(names, rows, strict=True) if name != ""]


def unreadable(table: Table, utc: np.ndarray, symbol: np.ndarray) -> list[Finding]:
    """Cells of the table that are no number, no time or no symbol."""
    found = list(table.unread)
    for what, bad, values in (
        ("time cannot be read", np.isnat(utc), table.time),
        ("symbol is missing", symbol == "", pd.Series(symbol)),
    ):
        rows = np.flatnonzero(bad)
        found += [Finding(what, rows, values.to_numpy(object)[rows])] if len(rows) else []
    return found


def names_of(table: Table, path: Path) -> np.ndarray:
    """The symbol of each row, as text; a file without such a column is named for its symbol."""
    if table.symbol is None:
        return np.full(len(table.time), path.name[: -len(suffix(path))], dtype=object)
    codes, names = pd.factorize(table.symbol)  # each name is cleaned once, not each row; a missing one has code -1
    clean = pd.Series(names).astype("string").str.replace(r"\s+", " ", regex=True).str.strip().fillna("")
    return np.append(clean.to_numpy(object), "")[codes]


def row_findings(table: Table, utc: np.ndarray, rows: np.ndarray, adjusted: bool) -> list[Finding]:
    """Faults among `rows` of one symbol, as positions within `rows`."""
    found = time_findings(utc[rows]) + value_findings({name: table.numbers[name][rows] for name in COLUMNS})
    if adjusted:
        close = table.numbers["adj_close"][rows]
        bad = np.flatnonzero(~(np.isfinite(close) & (close > 0)))
        found += [Finding("adj_close is not a number above 0", bad, close[bad])] if len(bad) else []
    for name in table.numbers.keys() - set(COLUMNS) - {"adj_close"}:
        bad = np.flatnonzero(np.isinf(table.numbers[name][rows]))
        found += [Finding(f"{name} is infinite", bad, table.numbers[name][rows][bad])] if len(bad) else []
    return found


def kept_rows(rows: np.ndarray, found: list[Finding], utc: np.ndarray) -> np.ndarray:
    """`rows` less those with a fault of their own, then less those that are not later than all before them."""
    faulty = [f.rows for f in found if f.what not in ("time comes twice", "time runs backwards")]
    rows = np.setdiff1d(rows, np.concatenate(faulty)) if faulty else rows
    stamps = utc[rows].view(np.int64)
    later = np.ones(len(rows), bool)
    later[1:] = stamps[1:] > np.maximum.accumulate(stamps)[:-1]
    return rows[later]


def bars_of(symbol: str, table: Table, utc: np.ndarray, rows: np.ndarray) -> Bars:
    """Bars of one symbol from `rows` of the table."""
    values = {name: np.ascontiguousarray(column[rows]) for name, column in table.numbers.items()}
    prices = {name: values.pop(name) for name in COLUMNS}
    return Bars(symbol, utc[rows], **prices, extra=values)


def newest_first(where: str, symbol: str, rows: np.ndarray, time: np.ndarray) -> None:
    """DataError where all of a symbol's times run backwards: a common order of files, and one fault, not thousands."""
    if len(time) > 2 and bool((np.diff(time) < np.timedelta64(0)).all()):
        first, last = (str(t.astype("datetime64[s]")).replace("T00:00:00", "") for t in (time[0], time[-1]))
        raise DataError(
            f"{where}: unsorted: {symbol} row {rows[0] + 1} ({first}) is the newest, "
            f"row {rows[-1] + 1} ({last}) the oldest; sort the file by time"
        )
