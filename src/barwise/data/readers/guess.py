"""The columns of rows without names, as their values tell: a time, and where high and low lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from barwise.data.bars import PRICES
from barwise.data.readers import stamps
from barwise.data.readers.layout import CELL, MISSED
from barwise.data.readers.roles import kind_of
from barwise.errors import DataError

KLINES = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
          "taker_buy_volume", "taker_buy_quote_volume", "ignore")  # fmt: skip
LEFT_OUT = "column "  # names of the columns of a file without names that are nothing known
_CONTINUES = 3.0  # times that the next open lies nearer to the close than to the open before


def guess(sample: Sequence[Sequence[str]], delimiter: str) -> list[str] | None:
    """Our names for the columns of rows without names, as their values tell: a time, and where high and low lie."""
    columns = list(zip(*sample, strict=True))
    kinds = [kind_of(column) for column in columns]
    time = next((i for i, kind in enumerate(kinds) if kind in ("full", "date", "epoch")), None)
    if time is None:
        return None
    if len(columns) == len(KLINES) and kinds[0] == kinds[6] == "epoch":
        return list(KLINES)
    names = [f"{LEFT_OUT}{i + 1}" for i in range(len(columns))]
    names[time], after = "date" if kinds[time] == "date" else "time", time + 1
    if after < len(columns) and names[time] == "date" and _is_clock(columns[after], kinds[after]):
        names[after], after = "clock", after + 1
    worded = [i for i in range(len(columns)) if i not in range(time, after) and _numbers(columns[i], delimiter) is None]
    if worded and len(worded) == 1:
        names[worded[0]] = "symbol"
    numeric = [i for i in range(after, len(columns)) if i not in worded]
    if len(numeric) < 4:
        return None
    prices = [_numbers(columns[i], delimiter) for i in numeric[:4]]
    order = _ohlc(prices, _direction(columns[time]))
    if order is None:
        return None
    for name, i in zip(order, numeric[:4], strict=True):
        names[i] = name
    if len(numeric) > 4:
        names[numeric[4]] = "volume"
    return names


def _is_clock(cells: Sequence[str], kind: str) -> bool:
    return kind == "clock" or (kind == "short" and all(len(c) in (4, 6) or set(c) == {"0"} for c in cells))


def _numbers(cells: Sequence[str], delimiter: str) -> np.ndarray | None:
    """The cells as numbers, None where some are none."""
    values = []
    for cell in cells:
        text = cell.strip()
        if text in MISSED:
            values.append(np.nan)
            continue
        if not CELL.fullmatch(text):
            return None
        try:
            values.append(float(_plain_number(text, delimiter)))
        except ValueError:
            return None
    return np.array(values)


def _plain_number(text: str, delimiter: str) -> str:
    """The cell with its last mark as a decimal point, unless it is one of thousands."""
    marks = [c for c in text if c in ",."]
    if (len(marks) > 1 and len(set(marks)) == 1) or (marks == [","] and delimiter == ","):
        return text.replace(marks[0], "")
    if len(set(marks)) == 2:
        text = text.replace(marks[0], "")
    return text.replace(",", ".")


def _direction(cells: Sequence[str]) -> int:
    """1 where times run forwards, -1 where newest first, 0 where that is not told."""
    try:
        wall = stamps.read([pa.chunked_array([pa.array(list(map(str, cells)))])], False, None, "").wall
    except (DataError, pa.ArrowException, ValueError):
        return 0
    step = np.diff(wall.astype(np.int64))
    return 1 if (step >= 0).all() and step.any() else -1 if (step <= 0).all() and step.any() else 0


def _ohlc(columns: Sequence[np.ndarray | None], direction: int) -> list[str] | None:
    """The names of four columns of prices by their values; None where no one is always the highest, or the lowest.

    `direction`: 1 where the rows run forwards in time, -1 backwards; 0 leaves the open before the close.
    """
    if any(column is None for column in columns):
        return None
    table = np.column_stack([c for c in columns if c is not None])[:: direction or 1]
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        return None
    highs = [i for i in range(4) if (table[:, i] >= table.max(axis=1)).all()]
    lows = [i for i in range(4) if (table[:, i] <= table.min(axis=1)).all()]
    high = 1 if 1 in highs else next(iter(highs), None)
    low = next((i for i in (2, *lows) if i in lows and i != high), None)
    if high is None or low is None:
        return None
    first, second = (i for i in range(4) if i not in (high, low))
    moved = np.abs(table[1:, [first, second]] - table[:-1, [second, first]]).mean(axis=0) if len(table) > 2 else (0, 0)
    told = bool(direction) and max(moved) > _CONTINUES * min(moved)
    if not told and (high, low) != (1, 2):
        return None  # which of the two is the open is not told
    if told and moved[0] > moved[1]:  # the second follows on the first of the bar before: the close stands first
        first, second = second, first
    names = dict(zip((first, high, low, second), PRICES, strict=True))
    return [names[i] for i in range(4)]
