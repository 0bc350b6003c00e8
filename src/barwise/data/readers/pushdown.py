"""What of a Parquet file need not be read: row groups of other symbols or times, and columns nobody asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from barwise.data.names import RANK, plain

_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
_DATE_KEYS = ("date", "day", "dt", "tradedate")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a source; None is everything. `first` and `last` in UTC or, of bars of days, their dates.

    `columns`: {ours: the file's}, as `data.columns`. `extra`: the further columns to keep.
    """

    symbols: frozenset[str] | None = None
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    extra: tuple[str, ...] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing can be left out."""
        return self.symbols is None and self.first is None and self.last is None and self.extra is None

    def outside(self, keys: Sequence[tuple[str, str]], symbol: str | None) -> bool:
        """Whether the folders of a partition (`symbol=AAPL`, `year=2020`, `date=2020-01-31`) are not asked for."""
        if self.symbols is not None and symbol is not None and symbol not in self.symbols:
            return True
        for key, value in keys:
            span = _span(plain(key), value)
            if span is not None and self._apart(*span):
                return True
        return False

    def _apart(self, lowest: np.datetime64, highest: np.datetime64) -> bool:
        """Whether a stretch is more than a day off: zones and dates move a bar by a day at most."""
        return bool(
            (self.last is not None and lowest - _DAY > self.last)
            or (self.first is not None and highest + _DAY < self.first)
        )

    def table(self, file: pq.ParquetFile, threads: bool = False) -> tuple[pa.Table, np.ndarray | None]:
        """(the rows that may be asked for, their numbers in the file from 1 or None for all). Nested columns are left
        out, columns of words come as codes."""
        schema = file.schema_arrow
        names = [f.name for f in schema if not pa.types.is_nested(f.type) and self.keeps(f.name)]
        if self.everything:
            return file.read(names, use_threads=threads), None
        time, symbol = self._time(schema), self._symbol(schema)
        groups = [g for g in range(file.metadata.num_row_groups) if self._in(file.metadata.row_group(g), time, symbol)]
        table = file.read_row_groups(groups, names, use_threads=threads)
        starts = np.cumsum([0] + [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)])
        rows = np.concatenate([np.arange(starts[g], starts[g + 1]) for g in groups] or [np.empty(0, np.int64)]) + 1
        if symbol is not None and self.symbols is not None and symbol in table.column_names:
            inside = pc.is_in(table.column(symbol).cast(pa.string()), pa.array(sorted(self.symbols), pa.string()))
            table, rows = table.filter(inside), rows[np.asarray(inside)]
        return table, rows

    def keeps(self, name: str) -> bool:
        """Whether a column is one that bars have, or asked for."""
        if self.extra is None or name in self.extra or name in self.columns.values():
            return True
        return any(plain(name) in words for words in RANK.values()) or bool(re.match(r"__index_level_|$", name))

    def _time(self, schema: pa.Schema) -> str | None:
        """The one column of times with a type; None where there are several, or none."""
        typed = [f.name for f in schema if pa.types.is_timestamp(f.type) or pa.types.is_date(f.type)]
        asked = self.columns.get("time")
        if asked is not None:
            return asked if asked in typed else None
        return typed[0] if len(typed) == 1 and plain(typed[0]) in {**RANK["time"], **RANK["date"]} else None

    def _symbol(self, schema: pa.Schema) -> str | None:
        asked = self.columns.get("symbol")
        words = [f.name for f in schema if _words(f.type)]
        if asked is not None:
            return asked if asked in words else None
        found = [f.name for f in schema if plain(f.name) in RANK["symbol"]]
        return found[0] if len(found) == 1 and found[0] in words else None

    def _in(self, group: Any, time: str | None, symbol: str | None) -> bool:
        """Whether the statistics of a row group leave room for a row that is asked for."""
        for i in range(group.num_columns):
            column = group.column(i)
            known = column.statistics if column.path_in_schema in (time, symbol) else None
            if known is None or not known.has_min_max:
                continue
            if column.path_in_schema == time:
                lowest, highest = (_stamp(value) for value in (known.min, known.max))
                if lowest is not None and highest is not None and self._apart(lowest, highest):
                    return False
            elif isinstance(known.min, str) and not any(known.min <= one <= known.max for one in self.symbols or ()):
                return self.symbols is None
        return True


def _words(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _stamp(value: Any) -> np.datetime64 | None:
    try:
        stamp = value.replace(tzinfo=None) - value.utcoffset() if getattr(value, "tzinfo", None) else value
        return np.datetime64(stamp, "ns")
    except (ValueError, TypeError, OverflowError, AttributeError):
        return None


def _span(key: str, value: str) -> tuple[np.datetime64, np.datetime64] | None:
    """The first and last moment of `year=2020` or `date=2020-01-31`."""
    if key == "year" and re.fullmatch(r"(1[6-9]|2[01])\d\d", value):
        first = np.datetime64(value, "Y")
        return first.astype("datetime64[ns]"), (first + 1).astype("datetime64[ns]")
    if key in _DATE_KEYS and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        day = np.datetime64(value, "D")
        return day.astype("datetime64[ns]"), (day + 1).astype("datetime64[ns]")
    return None
