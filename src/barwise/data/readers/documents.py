"""Tables that are no text of cells: Parquet, Feather, and JSON in the shapes that programs write bars in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from barwise.data.names import RANK, plain
from barwise.data.notes import Notes
from barwise.data.readers.guess import KLINES, LEFT_OUT
from barwise.data.readers.guess import guess as guess_names
from barwise.data.readers.pushdown import Wanted
from barwise.data.readers.sources import Source
from barwise.errors import DataError

_PARQUET = (".parquet", ".pq")
_INSIDE = ("data", "results", "candles", "bars", "values", "prices", "result", "chart", "quote", "indicators", "rows",
          "records", "historical", "series", "Data", "body", "list", "items", "klines", "ohlc", "ohlcv")  # fmt: skip
_SPLIT = ("columns", "index", "data")
_DEEPEST = 8


def binary(source: Source, data: bytes, wanted: Wanted) -> tuple[pa.Table, np.ndarray | None]:
    """(the table in a Parquet or Feather file, its rows' numbers or None for all). ArrowException where it is none."""
    where = source.path or (source.opened() if source.opened is not None else pa.BufferReader(data))
    rows = None
    try:
        if source.ending in _PARQUET:
            with pq.ParquetFile(where) as file:
                schema = file.schema_arrow
            words = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
            with pq.ParquetFile(where, read_dictionary=words, pre_buffer=source.path is None) as file:
                table, rows = wanted.table(file)
        else:
            table = feather.read_table(where, memory_map=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        kind = "Parquet" if source.ending in _PARQUET else "Feather"
        raise DataError(f"{source.where}: cannot be read as {kind}: {' '.join(str(error).split())[:120]}") from None
    for field in table.schema:
        if pa.types.is_timestamp(field.type) and field.type.tz is not None and not _is_zone(field.type.tz):
            raise DataError(
                f"{source.where}: column {field.name} is in the time zone {field.type.tz!r:.40}, which is none"
            )
    nested = [f.name for f in table.schema if pa.types.is_nested(f.type)]
    return (table.drop_columns(nested) if nested else table), rows


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return bool(re.fullmatch(r"[+-]\d\d:?\d\d", name))
    return True


def document(data: bytes, source: Source, notes: Notes) -> pa.Table:
    """The table in a JSON file: rows, records, columns, a map by date, or one of these inside a service's answer."""
    where = source.where
    text = data.decode("utf-8-sig", errors="replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: is not JSON that can be read ({str(error)[:80]})") from None
    table = _table(found, where, notes, 0)
    if table is None:
        raise DataError(f"{where}: holds no rows of bars that are known: a list of rows or of records, or columns, are")
    return table


def _table(found: Any, where: str, notes: Notes, depth: int) -> pa.Table | None:
    if depth > _DEEPEST:
        return None
    if isinstance(found, list):
        return _rows(found, where, notes, depth)
    if not isinstance(found, Mapping) or not found:
        return None
    if set(_SPLIT) <= set(found):  # pandas' orient=split
        rows = [[i, *row] for i, row in zip(found["index"], found["data"], strict=True)]
        return _columns(["", *map(_name, found["columns"])], list(zip(*rows, strict=True)))
    named = {key: value for key, value in found.items() if isinstance(value, list)}
    if _bars_in(named):
        return _of_lists(named)
    if all(isinstance(value, Mapping) for value in found.values()):
        if _bars_in(found):  # pandas' orient=columns
            keys = list(dict.fromkeys(key for column in found.values() for key in column))
            columns = [[column.get(key) for key in keys] for column in found.values()]
            return _columns(["", *found], [keys, *columns])
        first = next(iter(found.values()))
        if _bars_in(first):  # orient=index, and a map by date as Alpha Vantage has it
            return _records([{"": key, **row} for key, row in found.items()])
    return _inside(found, where, notes, depth)


def _inside(found: Mapping[str, Any], where: str, notes: Notes, depth: int) -> pa.Table | None:
    """The table in a service's answer: under a name that is usual, or the largest list or map there is."""
    if "timestamp" in found and isinstance(found.get("indicators"), Mapping):  # Yahoo's
        quotes = found["indicators"].get("quote") or [{}]
        return _of_lists({"timestamp": found["timestamp"], **quotes[0]}) if isinstance(quotes[0], Mapping) else None
    parts = [(key, value) for key, value in found.items() if isinstance(value, list | Mapping) and value]
    parts.sort(key=lambda item: (item[0] not in _INSIDE, -len(item[1])))
    for key, value in parts:
        table = _table(value, where, notes, depth + 1)
        if table is not None:
            notes.note(where, f"the bars stand under {key}")
            symbol = next((str(v) for k, v in found.items() if plain(k) in RANK["symbol"] and isinstance(v, str)), None)
            if symbol and not any(plain(name) in RANK["symbol"] for name in table.column_names):
                table = table.append_column("symbol", pa.array([symbol] * table.num_rows))
            return table
    return None


def _rows(found: list[Any], where: str, notes: Notes, depth: int) -> pa.Table | None:
    if not found:
        return None
    if all(isinstance(row, Mapping) for row in found):
        if _bars_in(found[0]):
            return _records(found)
        return _table(found[0], where, notes, depth + 1) if len(found) == 1 else None
    rows = [row for row in found if isinstance(row, list)]
    if len(rows) < len(found) or not rows or not isinstance(rows[0], list) or len(rows[0]) < 5:
        return None
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise DataError(f"{where}: its rows differ in the number of their values")
    if all(isinstance(cell, str) for cell in rows[0]) and _bars_in(dict.fromkeys(rows[0])):
        return _columns(rows[0], list(zip(*rows[1:], strict=True)))
    sample = [tuple("" if cell is None else str(cell) for cell in row) for row in rows[:40]]
    names = list(KLINES) if width == len(KLINES) else guess_names(sample, ";")
    if names is None:
        return None
    notes.note(where, f"rows without names: read as {', '.join(n for n in names if not n.startswith(LEFT_OUT))}")
    return _columns(names, list(zip(*rows, strict=True)))


def _bars_in(names: Mapping[str, Any]) -> bool:
    """Whether there are four prices among the names."""
    words = [plain(name) for name in names]
    return all(any(word in RANK[price] for word in words) for price in ("open", "high", "low", "close"))


def _of_lists(found: Mapping[str, Any]) -> pa.Table | None:
    longest = max(len(value) for value in found.values() if isinstance(value, list))
    columns = {key: value for key, value in found.items() if isinstance(value, list) and len(value) == longest}
    return _columns(list(columns), list(columns.values()))


def _records(rows: list[Any]) -> pa.Table:
    names = list(dict.fromkeys(key for row in rows for key in row))
    flat = [name for name in names if not any(isinstance(row.get(name), list | Mapping) for row in rows[:40])]
    return _columns(flat, [[row.get(name) for row in rows] for name in flat])


def _name(column: Any) -> str:
    return str(tuple(column)) if isinstance(column, list) else str(column)


def _columns(names: list[str], values: list[Any]) -> pa.Table:
    arrays = []
    for column in values:
        cells = list(column)
        try:
            array = pa.array(cells)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            array = pa.array([None if cell is None else str(cell) for cell in cells])
        arrays.append(array.cast(pa.string()) if pa.types.is_null(array.type) else array)
    return pa.table(arrays, names=[str(name) for name in names])
