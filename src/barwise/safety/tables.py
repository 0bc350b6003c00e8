"""Parquet files of a run directory: what the footer promises is checked before a page is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.errors import DataError
from barwise.safety.files import MB, inside

if TYPE_CHECKING:
    import pandas as pd

_CELLS = 200_000_000  # 1.6 GB as float64: 20 million predictions of ten columns
_UNPACKED = 2048 * MB
_TEXT = 4096  # characters that a symbol or feature name may have


def checked(path: Path, cells: int = _CELLS) -> Path:
    """`path`, for whoever reads a few columns of numbers; DataError for a link, a huge table or no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside(path.parent, path.name)
    try:
        _check(path, pq.read_metadata(path), cells)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _told(path, error) from None
    return path


def read_table(path: Path, cells: int = _CELLS) -> pd.DataFrame:
    """The table in `path`; DataError where its footer promises more than memory should hold, or it is no Parquet.

    Text is read as a dictionary first, so that a short file cannot repeat one long word a million times.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside(path.parent, path.name)
    try:
        footer = pq.read_metadata(path)
        _check(path, footer, cells)
        _check_types(path, footer.schema.to_arrow_schema())
        words = [c.name for c in map(footer.schema.column, range(footer.num_columns)) if c.physical_type in _BYTES]
        table = pq.read_table(path, read_dictionary=words, use_threads=False)
        return _plain(path, table, words)
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException) as error:  # KeyError: an unknown zone
        raise _told(path, error) from None


def _told(path: Path, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    return DataError(f"{path}: cannot be read as Parquet ({(str(error).splitlines() or ['no reason'])[0][:160]})")


_BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


def _check(path: Path, footer: Any, cells: int) -> None:
    rows, columns = footer.num_rows, footer.num_columns
    if rows < 0 or rows * max(columns, 1) > cells:
        raise DataError(f"{path}: promises {rows} rows of {columns} columns; at most {cells} cells are read")
    unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    if unpacked > _UNPACKED:
        raise DataError(f"{path}: would unpack to {unpacked / MB:.0f} MB; at most {_UNPACKED / MB:.0f} MB are read")


def _check_types(path: Path, schema: Any) -> None:
    """Numbers, times and text alone; a nested column may hold without bound, an extension brings its own code."""
    import pyarrow.types as kinds

    for field in schema:
        kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
        text = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_binary(kind)
        if not (kinds.is_primitive(kind) or kinds.is_null(kind) or kinds.is_decimal(kind) or text):
            raise DataError(f"{path}: column {field.name:.40} is {kind!s:.60}; numbers, times and text are read")


def _plain(path: Path, table: Any, words: list[str]) -> pd.DataFrame:
    """The table with dictionaries of short words as plain text."""
    import pyarrow.compute as pc

    for name in words:
        for chunk in table[name].chunks if name in table.column_names else ():
            texts = getattr(chunk, "dictionary", chunk)
            longest = pc.max(pc.binary_length(texts)).as_py() if len(texts) else 0
            if (longest or 0) > _TEXT:
                raise DataError(f"{path}: a {name} has {longest} characters; at most {_TEXT} are read")
    frame = table.to_pandas(ignore_metadata=True)
    for name in words:
        if name in frame:
            frame[name] = frame[name].astype(object)
    return frame
