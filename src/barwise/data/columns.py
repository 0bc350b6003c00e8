"""Which column of a file is which: common names in any case, and the user's own mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from barwise.data.bars import COLUMNS
from barwise.errors import ConfigError, DataError

NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "date", "datetime", "timestamp", "ts", "dt", "opentime", "tradedate", "tradingdate"),
    "symbol": ("symbol", "ticker", "sym", "instrument", "asset", "code", "tic"),
    "open": ("open", "o", "openprice", "opening"),
    "high": ("high", "h", "highprice"),
    "low": ("low", "l", "lowprice"),
    "close": ("close", "c", "closeprice", "last", "closing"),
    "volume": ("volume", "vol", "v", "qty", "totalvolume"),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted", "adjcloseprice"),
    "bid": ("bid", "bidprice"),
    "ask": ("ask", "askprice", "offer"),
}
MEANING = {alias: name for name, aliases in NAMES.items() for alias in aliases}
NEEDED = ("time", *COLUMNS)


def resolve(found: Sequence[str], mapping: Mapping[str, str | None], where: str) -> dict[str, str]:
    """{name here: column of the file} for the columns of `found`; those unknown keep their own name.

    `mapping` ({name here: column of the file}) goes before the common names, where it is not null.
    DataError for a column that is missing, ConfigError where two columns could be the same thing.
    """
    asked = {name: str(column) for name, column in mapping.items() if column is not None}
    listed = ", ".join(map(str, found))
    chosen: dict[str, str] = {}
    for name, column in asked.items():
        if column not in found:
            raise DataError(f"{where}: no column {column}, which data.columns.{name} names; it has {listed}")
        chosen[name] = column
    taken = set(chosen.values())
    for column in found:
        if column in taken:
            continue
        name = MEANING.get(plain(column), column)
        if name in asked:
            continue  # the user chose another column for it
        if name in chosen:
            raise ConfigError(
                f"{where}: columns {chosen[name]} and {column} could both be {name}; "
                f"say which: data.columns.{name}={chosen[name]}"
            )
        chosen[name] = column
    missing = [name for name in NEEDED if name not in chosen]
    if missing:
        raise DataError(
            f"{where}: no column for {', '.join(missing)}; it has {listed}; "
            f"name it: data.columns.{missing[0]}=<a column of the file>"
        )
    return chosen


def plain(column: object) -> str:
    """`1. Adj_Close ` and `adj close` are both `adjclose`."""
    return re.sub(r"^\d+\.|[^a-z0-9]", "", re.sub(r"^\s*\d+\.", "", str(column).lower()))
