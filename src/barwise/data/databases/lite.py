"""SQLite, by Python's own module."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

_ROWS = 100_000  # fetched at once
_TEXTS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\$(\d+)""")


class Lite:
    """`path`: a database file, opened read-only."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    def table(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        cursor = self.connection.execute(
            _TEXTS.sub(lambda found: found[1] or f"?{found[2]}", sql), tuple(parameters)
        )  # fmt: skip
        names = [column[0] for column in cursor.description]
        parts: list[pa.Table] = []
        while rows := cursor.fetchmany(_ROWS):
            parts.append(pa.table([_column(cells) for cells in zip(*rows, strict=True)], names))
        if not parts:
            return pa.table([pa.array([], pa.string()) for _ in names], names)
        return pa.concat_tables([_as(part, _schema(parts)) for part in parts])

    def close(self) -> None:
        self.connection.close()


def _column(cells: Sequence[Any]) -> pa.Array:
    """Numbers where all cells are, else text: SQLite's columns have no types of their own."""
    if all(isinstance(cell, int) and abs(cell) < 2**63 for cell in cells):
        return pa.array(cells, pa.int64())
    if all(cell is None or isinstance(cell, int | float) for cell in cells):
        return pa.array(np.array([np.nan if cell is None else cell for cell in cells], np.float64))
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _schema(parts: Sequence[pa.Table]) -> pa.Schema:
    """Types that hold every part of each column."""
    order = [pa.int64(), pa.float64(), pa.string()]
    return pa.schema([
        (name, max((part.schema.field(i).type for part in parts), key=order.index))
        for i, name in enumerate(parts[0].column_names)
    ])  # fmt: skip


def _as(part: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [column.cast(field.type) for column, field in zip(part.columns, schema, strict=True)], schema=schema
    )
