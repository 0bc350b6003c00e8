"""Which of the columns of a stream or a frame is which, by their names alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from barwise.data.bars import PRICES
from barwise.data.names import RANK, plain
from barwise.data.settings import setting
from barwise.errors import ConfigError, DataError

_PARTS = ("time", "date", "symbol", *PRICES, "volume", "tick_volume", "adj_close", "bid", "ask")
_NEEDED = ("time", *PRICES)


def resolve(found: Sequence[str], mapping: Mapping[str, str | None], where: str) -> dict[str, str]:
    """{name here: column of the file} for the columns of `found`; those unknown keep their own name.

    `mapping` ({name here: column of the file}) goes before the known names, where it is not null. A volume may be
    missing. DataError for another column that is, ConfigError where two columns could be the same thing.
    """
    chosen = {name: str(column) for name, column in mapping.items() if column is not None}
    for name, column in chosen.items():
        if column not in found:
            raise DataError(f"{where}: no column {column}, which data.columns.{name} names; it has {', '.join(found)}")
    asked = set(chosen)
    best: dict[str, int] = {}
    for column in found:
        if column in chosen.values():
            continue
        name, rank = _meaning(column)
        if name in asked:
            continue  # the user chose another column for it
        if best.get(name) == rank >= 0:
            raise ConfigError(
                f"{where}: columns {chosen[name]} and {column} could both be {name}; "
                f"say which: {setting(f'columns.{name}', chosen[name])}"
            )
        if name not in chosen or rank < best[name]:
            if name in chosen:
                chosen[chosen[name]] = chosen[name]
            chosen[name], best[name] = column, rank
        else:
            chosen[column] = column
    missing = [name for name in _NEEDED if name not in chosen]
    if missing:
        raise DataError(f"{where}: no column for {', '.join(missing)}; it has {', '.join(map(str, found))}")
    return chosen


def _meaning(column: str) -> tuple[str, int]:
    """Our name for a column, and how good its name is: 0 is best, -1 one that nothing else has."""
    for part in _PARTS:
        if plain(column) in RANK[part]:
            return ("time" if part == "date" else part), RANK[part][plain(column)]
    return column, -1
