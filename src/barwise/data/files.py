"""The user's own bars: one CSV or Parquet file, long or of one symbol, or a folder or glob with a file per symbol."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from barwise.data.adjust import splits
from barwise.data.bars import Bars, Market
from barwise.data.content import Content, content
from barwise.data.context import beside
from barwise.data.plausible import ON_JUMP, plausible
from barwise.data.selection import selected
from barwise.data.settings import choice, number, yes_or_no
from barwise.data.tables import KNOWN, suffix
from barwise.data.times import check_zone
from barwise.data.universe import within
from barwise.errors import DataError, require

ON_BAD = ("error", "drop")
SPLITS_SHOWN = 3


def load(
    path: str | None,
    columns: Mapping[str, str | None] | None = None,
    adjusted: bool = False,
    timezone: str | None = None,
    periods_per_year: float | None = None,
    on_bad: str = "error",
    on_jump: str = "warn",
    symbols: str | Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    universe: str | None = None,
    context: str | None = None,
) -> Market:
    """The bars in `path`: a file, a folder or a glob; ordered by symbol, checked, in UTC.

    `columns`: {our name: the file's}, for names that are not common. `adjusted`: bring prices to the level of the
    adjusted close, volume inversely. `timezone`: what naive times mean (UTC, with a warning, if null and intraday).
    `on_bad`: `error`, or `drop` to leave bad rows out and count them. `on_jump`: what becomes of prices that cannot be,
    as `barwise.data.plausible.plausible` says. `symbols`, `start`, `end`: which bars.
    `universe`: a file of symbol, from, to. `context`: a file of further columns, as `barwise.data.context.beside`
    takes it.
    Facts: `files`, `dropped_rows`, `adjusted`, `ignored_columns`, `warnings`.
    ConfigError for a setting, DataError for what is in the files.
    """
    require(
        path is not None and str(path).strip() != "",
        f"data.path={'null' if path is None else path}: must name a CSV or Parquet file, a folder or a glob; "
        "data.path=my_bars.csv",
    )
    choice("on_bad", on_bad, ON_BAD, "error")
    choice("on_jump", on_jump, ON_JUMP, "warn")
    yes_or_no("adjusted", adjusted, False)
    require(
        columns is None or isinstance(columns, Mapping),
        f"data.columns={columns}: must map our names to the file's; data.columns.close=Last",
    )
    if periods_per_year is not None:
        number("periods_per_year", periods_per_year, 1, 1e8, "null tells it from the times")
    check_zone(timezone)
    paths, passed_over = find(str(path))
    contents = [content(file, columns or {}, timezone, adjusted, on_bad == "drop") for file in paths]
    warnings = [f"{path}: {', '.join(passed_over[:3])} passed over: not CSV or Parquet"] if passed_over else []
    warnings += zone_warnings(contents, timezone)
    warnings += [
        f"{c.where}: dates such as {c.times.doubtful} are read month first; write them year first"
        for c in contents
        if c.times.doubtful
    ][:1]
    bars, outside = selected(joined(contents), symbols, start, end, str(path), timezone)
    warnings += outside
    bars, left_out = common_extras(bars)
    warnings += [f"{path}: column {name} is left out: not every symbol has it" for name in left_out]
    if not adjusted:
        warnings += split_warnings(bars)
    bars, doubts = plausible(bars, on_jump, splits_known=adjusted or any("adj_close" in b.extra for b in bars))
    warnings += doubts
    facts = {
        "name": "files",
        "path": str(path),
        "files": len(paths),
        "dropped_rows": sum(c.dropped for c in contents),
        "adjusted": bool(adjusted),
        "ignored_columns": sorted({name for c in contents for name in c.ignored}),
        "warnings": warnings,
    }
    if facts["dropped_rows"]:
        warnings.append(f"{path}: {facts['dropped_rows']} bad rows left out, as data.on_bad=drop asks")
    market = Market(bars, None if periods_per_year is None else float(periods_per_year), facts)
    return beside(within(market, universe), context, timezone)


def find(path: str) -> tuple[list[Path], list[str]]:
    """The files that `path` means, in order, and the names passed over in a folder. DataError if there are none."""
    start = Path(path).expanduser()
    if start.is_dir():
        inside = sorted(p for p in start.iterdir() if p.is_file() and not p.name.startswith("."))
        kept = [p for p in inside if suffix(p)]
        if not kept:
            raise DataError(f"data.path={path}: the folder holds no file ending in {', '.join(KNOWN)}")
        return kept, [p.name for p in inside if not suffix(p)]
    if start.exists():
        return [start], []
    matched = sorted(Path(p) for p in glob.glob(str(start), recursive=True) if Path(p).is_file())
    if not matched:
        kind = "matches no file" if glob.has_magic(path) else "is not there"
        here = "" if start.is_absolute() else f"; paths count from the folder you run in ({Path.cwd().name}/)"
        raise DataError(f"data.path={path}: {kind}{here}")
    return matched, []


def joined(contents: list[Content]) -> tuple[Bars, ...]:
    """All bars by symbol. DataError where two files have the same symbol."""
    place: dict[str, tuple[str, Bars]] = {}
    for c in contents:
        for b in c.bars:
            if b.symbol in place:
                raise DataError(f"data: symbol {b.symbol} is in {place[b.symbol][0]} and in {c.where}; leave one out")
            place[b.symbol] = (c.where, b)
    return tuple(place[name][1] for name in sorted(place))


def common_extras(bars: tuple[Bars, ...]) -> tuple[tuple[Bars, ...], list[str]]:
    """`bars` with the extra columns that every symbol has, and the names of the others."""
    have = [{name for name, values in b.extra.items() if not np.isnan(values).all()} for b in bars]
    every, some = set.intersection(*have), set.union(*have)
    kept = tuple(replace(b, extra={name: b.extra[name] for name in sorted(every)}) for b in bars)
    return kept, sorted(some - every)


def zone_warnings(contents: list[Content], timezone: str | None) -> list[str]:
    """Naive intraday times are taken as UTC with a warning; files that differ in having a zone are refused."""
    naive = [c.where for c in contents if c.times.naive]
    aware = [c.where for c in contents if not c.times.naive]
    if timezone is not None or not naive:
        return []
    if aware:
        raise DataError(
            f"data: mixed time zones: {aware[0]} has one, {naive[0]} has none; set data.timezone for the latter"
        )
    day = next((c.where for c in contents if c.times.intraday), None)
    return [f"{day}: intraday times without a zone are taken as UTC; data.timezone says what they mean"] if day else []


def split_warnings(bars: tuple[Bars, ...]) -> list[str]:
    """One warning that names the first splits which unadjusted closes show as moves."""
    seen = [(b.symbol, day, ratio) for b in bars if "adj_close" in b.extra for day, ratio in splits(b)]
    if not seen:
        return []
    told = ", ".join(f"{symbol} {str(day)[:10]} ({ratio:.3g} for 1)" for symbol, day, ratio in seen[:SPLITS_SHOWN])
    more = f" and {len(seen) - SPLITS_SHOWN} more" if len(seen) > SPLITS_SHOWN else ""
    return [
        f"unadjusted closes have splits: {told}{more}; data.adjusted=true mends prices and volume by the adjusted close"
    ]
