"""What every database offers: a query's rows as a table of Arrow, and how a stretch of time is written in its SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from barwise.console.secrets import masked
from barwise.errors import BarwiseError, DataError


class Database(Protocol):
    """An open connection that can only read."""

    def table(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        """The rows of one SELECT; `parameters` are bound to $1, $2 and so on."""

    def close(self) -> None:
        """Let go of it."""


@contextmanager
def told(where: str) -> Iterator[None]:
    """Whatever a driver raises, in one line without a password."""
    try:
        yield
    except BarwiseError:
        raise
    except Exception as error:  # each driver has classes of its own
        raise DataError(f"{where}: {masked(' '.join(str(error).split()))[:240]}") from None


def identifier(name: str) -> str:
    """A column's name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL quotes it."""
    return "'" + text.replace("'", "''") + "'"


def within(column: str, kind: pa.DataType, samples: Sequence[Any], first: np.datetime64, last: np.datetime64) -> str:
    """A condition that no row of the stretch fails, a day wider on both sides; empty where the column is no time that
    SQL compares as such. What is exact is asked again of the bars."""
    day = np.timedelta64(1, "D").astype("timedelta64[ns]")
    lowest, highest = np.datetime64("1678-01-02", "ns"), np.datetime64("2261-12-30", "ns")
    begin, end = (str(np.datetime64(at, "D")) for at in (max(first, lowest) - day, min(last, highest) + 2 * day))
    name = identifier(column)
    if pa.types.is_date(kind):
        return f"{name} BETWEEN DATE {literal(begin)} AND DATE {literal(end)}"
    if pa.types.is_timestamp(kind):
        word = "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
        return f"{name} BETWEEN {word} {literal(begin + ' 00:00:00')} AND {word} {literal(end + ' 00:00:00')}"
    texts = [str(cell) for cell in samples if cell is not None]
    if (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and texts and all(
        re.match(r"\d{4}-\d\d-\d\d(?!\d)", text) for text in texts
    ):  # fmt: skip
        return f"{name} BETWEEN {literal(begin)} AND {literal(end)}"  # dates of ISO 8601 are in the order of their text
    return ""
