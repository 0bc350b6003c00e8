"""The numbers in the columns of a table, whether they are typed or text, and the symbols of its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.bars import PRICES
from barwise.data.checks import BarFinding
from barwise.data.notes import Notes
from barwise.data.readers import numbers
from barwise.data.readers.layout import CELL
from barwise.data.readers.roles import NUMBERS
from barwise.data.readers.table import RawTable


def values(table: RawTable, named: Mapping[str, str], decimal: str | None,
            notes: Notes) -> tuple[dict[str, np.ndarray], list[BarFinding], list[str]]:  # fmt: skip
    """(numbers by our names, cells that are none, columns that hold something else)."""
    columns = {ours: table.columns[column] for ours, column in named.items()}
    plain = {ours: c for ours, c in columns.items() if _is_number(c.type)}
    values = {ours: _floats(column) for ours, column in plain.items()}
    texts = {ours: column for ours, column in columns.items() if ours not in plain}
    marked = [ours for ours in PRICES if ours in values and numbers.dubious(values[ours])]
    known = [ours for ours in texts if ours in NUMBERS]
    if table.texts is not None and decimal != "." and (marked or known or decimal == ","):
        again = table.texts()  # a mark of thousands may have been read as one of decimals
        again_columns = {ours: again.columns[column] for ours, column in named.items()}
        if again.length == table.length:
            texts = {**texts, **{ours: c for ours, c in again_columns.items() if ours in NUMBERS and ours in plain}}
    words = [named[ours] for ours, column in texts.items() if ours not in NUMBERS and not _numeric(column)]
    texts = {ours: column for ours, column in texts.items() if named[ours] not in words}
    unread = []
    for ours, found in numbers.read(texts, decimal, table.habit, table.where, notes).items() if texts else ():
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
    found: bool = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return found


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


def symbols(table: RawTable, symbol: str) -> tuple[np.ndarray, list[str]]:
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
