"""One CSV or Parquet file to a table whose columns have our names; whatever is not one ends in one line."""

from __future__ import annotations

import csv
import gzip
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import union_categoricals

from barwise.data.bars import COLUMNS
from barwise.data.checks import Finding
from barwise.data.columns import resolve
from barwise.errors import BarwiseError, DataError

CSV, PARQUET = (".csv", ".csv.gz", ".csv.zip"), (".parquet", ".pq")
KNOWN = (*CSV, *PARQUET)
MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-"]
BROKEN = (
    ValueError,
    UnicodeError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    csv.Error,
    pa.ArrowException,
    pd.errors.ParserWarning,
)


@dataclass(frozen=True)
class Table:
    """`time` and `symbol` (None without such a column) are raw; `numbers` are float64 by name.

    `unread`: cells that should be a number and are none. `ignored`: the columns that hold no numbers.
    """

    time: pd.Series
    symbol: pd.Series | None
    numbers: dict[str, np.ndarray]
    unread: list[Finding]
    ignored: tuple[str, ...]


def suffix(path: Path) -> str:
    """The ending that tells the format, or the empty string."""
    return next((end for end in KNOWN if path.name.lower().endswith(end)), "")


def read(path: Path, columns: Mapping[str, str | None], where: str) -> Table:
    """The table in `path`; DataError if it is empty, lacks a column, or is neither CSV nor Parquet."""
    kind = "Parquet" if suffix(path) in PARQUET else "CSV"
    if not suffix(path):
        raise DataError(f"{where}: not CSV or Parquet by its name; must end in one of {', '.join(KNOWN)}")
    if path.stat().st_size == 0:
        raise DataError(f"{where}: the file is empty")
    try:
        pieces = _parquet(path, columns, where) if kind == "Parquet" else [_csv(path, columns, where)]
        parts = [_table(frame.reset_index(drop=True), names) for frame, names in pieces if not frame.empty]
    except BarwiseError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"{where}: the file is empty") from None
    except BROKEN as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{where}: cannot be read as {kind}: {reason}") from None
    if not parts:
        raise DataError(f"{where}: the file has a header and no rows")
    return _joined(parts)


def _csv(path: Path, columns: Mapping[str, str | None], where: str) -> tuple[pd.DataFrame, dict[str, str]]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    if path.name.lower().endswith(".zip"):
        sep = ","
    else:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            first = file.readline(65_536)
        if "\0" in first:
            raise ValueError("it holds binary data")
        sep = max(",;\t|", key=first.count)
    header = pd.read_csv(path, sep=sep, nrows=0, encoding="utf-8-sig", index_col=False).columns
    names = resolve([str(c) for c in header], columns, where)
    texts = [names[name] for name in ("time", "symbol") if name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header lose values
        frame = pd.read_csv(
            path,
            sep=sep,
            encoding="utf-8-sig",
            index_col=False,
            dtype=dict.fromkeys(texts, str),  # so that the ticker NA, or 000001, stays what it is
            keep_default_na=False,
            na_values={c: [""] if c in texts else MISSING for c in header},
            low_memory=False,
        )
    return frame, names


def _parquet(
    path: Path, columns: Mapping[str, str | None], where: str
) -> Iterator[tuple[pd.DataFrame, dict[str, str]]]:
    """Row group by row group, so that a long file is never whole in memory beside what is made of it."""
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            yield _named(file.read_row_group(i), columns, where)
        if not file.num_row_groups:
            yield _named(file.read(), columns, where)


def _named(table: pa.Table, columns: Mapping[str, str | None], where: str) -> tuple[pd.DataFrame, dict[str, str]]:
    frame = table.to_pandas()
    if not isinstance(frame.index, pd.RangeIndex):  # a time or a (symbol, time) index is data too
        unnamed = isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None
        frame = frame.reset_index(names="time") if unnamed else frame.reset_index()
    frame.columns = frame.columns.map(str)
    names = resolve(list(frame.columns), columns, where)
    symbol = names.get("symbol")
    if symbol is not None:
        raw = table.column(symbol) if symbol in table.column_names else None
        if raw is not None and pa.types.is_integer(raw.type):  # a missing one makes 600000 into 600000.0
            frame[symbol] = raw.cast(pa.string()).to_pandas().to_numpy(object)
        frame[symbol] = frame[symbol].astype("string").astype("category")
    return frame, names


def _joined(parts: list[Table]) -> Table:
    """The tables of a file's row groups as one; they are used up. A column is ignored if it is in any of them."""
    if len(parts) == 1:
        return parts[0]
    rows = np.cumsum([0, *(len(part.time) for part in parts)])
    ignored = tuple(dict.fromkeys(name for part in parts for name in part.ignored))
    names = [name for name in parts[0].numbers if all(name in part.numbers for part in parts)]
    unread = [f.at(np.arange(low, high)) for part, low, high in zip(parts, rows, rows[1:], strict=False)
              for f in part.unread]  # fmt: skip
    time = pd.concat([part.time for part in parts], ignore_index=True)
    symbols = [part.symbol for part in parts if part.symbol is not None]
    symbol = pd.Series(union_categoricals(symbols)) if symbols else None
    numbers = {}
    for name in names:
        numbers[name] = np.concatenate([part.numbers.pop(name) for part in parts])
    return Table(time, symbol, numbers, unread, ignored)


def _table(frame: pd.DataFrame, names: Mapping[str, str]) -> Table:
    numbers: dict[str, np.ndarray] = {}
    unread, ignored = [], [c for c in frame.columns if c not in names.values() and not c.startswith("Unnamed:")]
    for name, column in names.items():
        if name in ("time", "symbol") or column.startswith("Unnamed:"):  # a saved row number, a comma at the line's end
            continue
        raw = frame[column]
        if pd.api.types.is_numeric_dtype(raw.dtype) and not pd.api.types.is_bool_dtype(raw.dtype):
            numbers[name] = raw.to_numpy(np.float64, na_value=np.nan)
        elif raw.isna().all() or name in (*COLUMNS, "adj_close", "bid", "ask"):
            numbers[name] = pd.to_numeric(raw, errors="coerce").to_numpy(np.float64, na_value=np.nan)
            rows = np.flatnonzero(np.isnan(numbers[name]) & raw.notna().to_numpy())
            if len(rows):
                unread.append(Finding(f"{name} is not a number", rows, raw.to_numpy(object)[rows]))
        else:
            ignored.append(column)
    symbol = frame[names["symbol"]] if "symbol" in names else None
    return Table(frame[names["time"]], symbol, numbers, unread, tuple(ignored))
