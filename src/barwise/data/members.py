"""The universe: when each symbol was in it, so that a run sees no symbol before or after its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from barwise.data.bars import Market, Universe
from barwise.data.table_file import read_table
from barwise.errors import DataError

COLUMNS = ("symbol", "from", "to")
SHOWN = 5
UNCONTROLLED = "no data.universe says when each symbol was in: survivorship is not controlled"
ALWAYS = np.datetime64("2261-12-31", "ns")  # near the last time that datetime64[ns] holds
LAST_OF_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]") - np.timedelta64(1, "ns")


def within(market: Market, path: str | None, timezone: str | None = None) -> Market:
    """The market with the universe that `path` holds, less the symbols that never were in it; as it is for None.

    Bars before and after a stay remain: they feed features, labels and the price a position is closed at. Only rows
    to learn from, to score and to trade are those of a stay. Dates are the bars' own; beside intraday bars they are
    days in `timezone`. DataError for what is in the file, or if no bar is in.
    """
    if path is None:
        return market
    days = all((b.time == b.time.astype("datetime64[D]")).all() for b in market.bars)
    universe = read(str(path), "" if days else timezone)
    kept = tuple(b for b in market.bars if universe.inside(b.symbol, b.time).any())
    if not kept:
        raise DataError(f"data.universe={path}: none of its symbols has a bar of its stay; mend names or dates")
    never = sorted(set(market.symbols) - {b.symbol for b in kept})
    missing = sorted(set(universe.stays) - set(market.symbols))
    warnings = list(market.facts.get("warnings", ()))
    if never:
        warnings.append(f"{_named(never)}: left out: {path} has none of the times of its bars")
    if missing:
        warnings.append(
            f"{_named(missing)}: in {path} but without bars; survivorship is controlled only as far as bars go"
        )
    note = f"{path} says when each of {len(kept)} symbols was in; survivorship is controlled as far as it is complete"
    facts = {**market.facts, "warnings": warnings, "note": note, "universe": str(path), "without_bars": len(missing)}
    return replace(market, bars=kept, facts=facts, universe=universe)


def described(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a market, which say that survivorship is not controlled; a made-up market has no survivors."""
    note = facts.get("note")
    if "universe" in facts or facts.get("name") == "synthetic" or "survivorship" in str(note):
        return dict(facts)
    return {**facts, "note": f"{note}; {UNCONTROLLED}" if note else UNCONTROLLED}


def read(path: str, timezone: str | None = None) -> Universe:
    """The stays in a CSV or Parquet file with the columns symbol, from and to (empty: still in).

    `timezone`: of dates and times that name none, UTC for None; empty: every date is as it is written, its zone aside.
    """
    where = f"data.universe={path}"
    table = read_table(path, where, f"the columns {', '.join(COLUMNS)}")
    table.columns = [str(c).lower() for c in table.columns]
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise DataError(
            f"{where}: no column {lacking[0]}; it has {', '.join(table.columns)}; name them symbol, from, to"
        )
    if table.empty:
        raise DataError(f"{where}: the file has no rows")
    stays: dict[str, list[tuple[np.datetime64, np.datetime64]]] = {}
    for row, (symbol, first, last) in enumerate(zip(*(table[name] for name in COLUMNS), strict=True), start=1):
        name = "" if symbol is None else str(symbol).strip()
        if not name:
            raise DataError(f"{where} row {row}: has no symbol")
        begin, end = (_time(v, where, row, n, timezone) for v, n in ((first, "from"), (last, "to")))
        if begin > end:
            raise DataError(f"{where} row {row}: {name} leaves on {last}, before it comes on {first}")
        stays.setdefault(name, []).append((begin, end))
    return Universe(path, {name: tuple(sorted(found)) for name, found in sorted(stays.items())})


def _time(value: Any, where: str, row: int, name: str, timezone: str | None) -> np.datetime64:
    """A date or time as UTC; a date is its first moment for `from`, its last for `to`; an empty `to` is for ever."""
    if name == "to" and (value is None or value is pd.NaT or str(value).strip().lower() in ("", "nan", "nat")):
        return ALWAYS
    try:
        stamp = pd.Timestamp(str(value).strip())
        if name == "to" and stamp == stamp.normalize():
            stamp = stamp.as_unit("ns") + pd.Timedelta(LAST_OF_DAY)
        if timezone and not stamp.tzinfo:
            stamp = stamp.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
        stamp = stamp.tz_convert("UTC") if stamp.tzinfo and timezone != "" else stamp
        found = stamp.tz_localize(None).as_unit("ns").to_datetime64()
        if np.isnat(found):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        shown = f"{name} is {str(value)!r:.40}"
        raise DataError(f"{where} row {row}: {shown}; it must be a date such as 2005-01-31") from None
    result: np.datetime64 = found
    return result


def _named(symbols: list[str]) -> str:
    more = len(symbols) - SHOWN
    return ", ".join(symbols[:SHOWN]) + (f" and {more} more" if more > 0 else "")
