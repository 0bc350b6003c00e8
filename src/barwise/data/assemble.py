"""From what a source of tables held to the market: symbols joined, selected, made alike, checked; for every source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from barwise.data.actions import applied
from barwise.data.adjust import splits
from barwise.data.bars import Bars, Market
from barwise.data.context import beside
from barwise.data.contracts import contracts, names_in
from barwise.data.groups import chosen as chosen_groups
from barwise.data.members import within
from barwise.data.notes import Notes, listed
from barwise.data.plausible import ON_JUMP, plausible
from barwise.data.readers import clock, naming
from barwise.data.readers.pushdown import Wanted
from barwise.data.readers.series import Reading, Series
from barwise.data.readers.sources import Source
from barwise.data.selection import bounds, selected
from barwise.data.settings import choice, number, yes_or_no
from barwise.errors import require

_ON_BAD = ("error", "drop")
_NEGATIVE = ("error", "midpoint")
_SPLITS_SHOWN = 3


@dataclass(frozen=True)
class Asked:
    """The settings that every source of tables takes; as `barwise.data.files.load` says. ConfigError for one."""

    columns: Mapping[str, str | None] | None = None
    adjusted: bool = False
    timezone: str | None = None
    day_first: bool | None = None
    decimal: str | None = None
    price_scale: float | None = None
    negative: str = "error"
    periods_per_year: float | None = None
    on_bad: str = "error"
    on_jump: str = "warn"
    symbols: str | Sequence[str] | None = None
    start: str | None = None
    end: str | None = None
    universe: str | None = None
    context: str | None = None
    groups: str | Sequence[str] | None = None
    extra: str | Sequence[str] | None = None
    as_of: str | Sequence[str] | None = None
    actions: str | None = None
    contracts: str | None = None

    def __post_init__(self) -> None:
        choice("on_bad", self.on_bad, _ON_BAD, "error")
        choice("on_jump", self.on_jump, ON_JUMP, "warn")
        choice("negative", self.negative, _NEGATIVE, "error")
        yes_or_no("adjusted", self.adjusted, False)
        require(
            self.day_first is None or isinstance(self.day_first, bool),
            f"data.day_first={self.day_first}: must be true, false or null",
        )
        require(
            self.decimal in (None, ".", ","),
            f"data.decimal={self.decimal}: must be . or , or null, which tells it from the file",
        )
        require(
            self.columns is None or isinstance(self.columns, Mapping),
            f"data.columns={self.columns}: must map our names to the file's; data.columns.close=Last",
        )
        if self.periods_per_year is not None:
            number("periods_per_year", self.periods_per_year, 1, 1e8, "null tells it from the times")
        if self.price_scale is not None:
            number("price_scale", self.price_scale, 1e-12, 1e12, "null takes prices as they are")
        clock.check_zone(self.timezone)
        tables = [self.as_of] if isinstance(self.as_of, str) else self.as_of
        require(
            tables is None or (isinstance(tables, list | tuple) and all(isinstance(one, str) for one in tables)),
            f"data.as_of={self.as_of}: must name a file, or several; data.as_of=[earnings.csv,ratings.csv]",
        )
        named = [self.extra] if isinstance(self.extra, str) else self.extra
        require(
            named is None or (isinstance(named, list | tuple) and all(isinstance(one, str) for one in named)),
            f"data.extra={self.extra}: must name columns, be [] for none or null for all; data.extra=[bid,ask]",
        )

    @cached_property
    def priced_by(self) -> list[str]:
        """The columns that data.contracts reads, kept for the symbols that have them."""
        return names_in(contracts(self.contracts)) if self.contracts else []

    @property
    def wanted(self) -> Wanted:
        """What of a source is asked for; the rest need not be read."""
        symbols = [self.symbols] if isinstance(self.symbols, str | int | float) else self.symbols
        first, last = (None, None) if self.start is None and self.end is None else bounds(
            self.start, self.end, self.timezone
        )  # fmt: skip
        groups = [self.groups] if isinstance(self.groups, str) else list(self.groups or ())
        extra = [self.extra] if isinstance(self.extra, str) else self.extra
        return Wanted(
            None if symbols is None else frozenset(map(str, symbols)),
            first,
            last,
            dict(self.columns or {}),
            None if extra is None else (*extra, *groups, *self.priced_by),
        )

    @property
    def reading(self) -> Reading:
        """What of them reaches the rows of a table."""
        asked = None if self.start is None and self.end is None else partial(
            _within, self.start, self.end, self.timezone
        )  # fmt: skip
        return Reading(self.timezone, self.adjusted, self.on_bad == "drop", self.day_first, self.decimal,
                       self.negative, self.price_scale, asked)  # fmt: skip


@dataclass
class Read:
    """What was read of a source: its series and the tables they came from, and what became of the rest."""

    series: Sequence[Series]
    sources: Sequence[Source]
    dropped: int
    ignored: Sequence[str]
    notes: Notes

    def taken(self) -> Sequence[Series]:
        """The series, which are not held here any longer: each is gone when it is joined."""
        found, self.series = self.series, ()
        return found


def _within(start: str | None, end: str | None, timezone: str | None, time: np.ndarray, days: bool) -> np.ndarray:
    """Which times, of days or in UTC, are asked for."""
    first, last = bounds(start, end, None if days else timezone)
    return (time >= first) & (time <= last)


def market(name: str, where: str, read: Read, asked: Asked, facts: Mapping[str, Any]) -> Market:
    """The market of what was read at `where`, less universe and context: see `completed`.

    `facts` come after the name; beside them stand `dropped_rows`, `adjusted`, `ignored_columns`, `columns`, `timezone`,
    `notes` and `warnings`. DataError for what is in the source.
    """
    notes = read.notes
    bars, made = naming.joined(read.taken(), read.sources, notes)
    _tell_zones(made, asked.timezone, notes)
    bars, outside = selected(bars, asked.symbols, asked.start, asked.end, where, asked.timezone)
    bars = applied(bars, asked.actions, asked.timezone, asked.adjusted, notes)
    bars = _common_volume(bars, where, notes)
    bars, grouped = chosen_groups(bars, asked.groups, where, notes, asked.priced_by)
    bars, left_out = _common_extras(bars, asked.priced_by)
    for column in left_out:
        notes.warn(where, f"column {column} is left out: not every symbol has it")
        notes.columns[column] = "left out: not every symbol has it"
    if read.dropped:
        rows = "row" if read.dropped == 1 else "rows"
        notes.warn(where, f"{read.dropped} bad {rows} left out, as data.on_bad=drop asks")
    splits_found = [] if asked.adjusted or asked.actions else _split_warnings(bars)
    known = asked.adjusted or asked.actions is not None or any("adj_close" in b.extra for b in bars)
    bars, doubts = plausible(bars, asked.on_jump, splits_known=known)
    facts = {
        "name": name,
        **facts,
        "dropped_rows": read.dropped,
        "adjusted": bool(asked.adjusted),
        **({"actions": str(asked.actions)} if asked.actions is not None else {}),
        "ignored_columns": [column for column in read.ignored if column not in grouped],
        "columns": notes.columns,
        "timezone": asked.timezone or ("UTC" if any(s.naive for s in made) else None),
        "notes": notes.notes(),
        "warnings": [*notes.warnings(), *outside, *splits_found, *doubts],
    }
    periods = asked.periods_per_year
    return Market(bars, None if periods is None else float(periods), facts)


def completed(found: Market, asked: Asked) -> Market:
    """The market with its universe, and the columns of the files beside it."""
    found = beside(within(found, asked.universe, asked.timezone), asked.context, asked.timezone)
    for path in [asked.as_of] if isinstance(asked.as_of, str) else asked.as_of or ():
        found = beside(found, path, asked.timezone, "as_of")
    return found


def _common_volume(bars: tuple[Bars, ...], path: str, notes: Notes) -> tuple[Bars, ...]:
    """`bars`, without volume where any symbol has none: one model reads the same columns of all."""
    without = [b.symbol for b in bars if np.isnan(b.volume).all()]
    if not without:
        return bars
    whole = len(without) == len(bars)
    which = "" if whole else f" for {listed(without)}, so that none is used"
    notes.warn(path, f"there is no volume{which}; features that need it are left out")
    return bars if whole else tuple(replace(b, volume=np.full(len(b), np.nan)) for b in bars)


def _common_extras(bars: tuple[Bars, ...], keep: Sequence[str] = ()) -> tuple[tuple[Bars, ...], list[str]]:
    """`bars` with the extra columns that every symbol has, and the names of the others; those to `keep` that some have
    are NaN in the others."""
    have = [{name for name, values in b.extra.items() if not np.isnan(values).all()} for b in bars]
    every, some = set.intersection(*have), set.union(*have)
    every |= some.intersection(keep)
    if every == some and all(len(b.extra) == len(every) for b in bars):
        return bars, []
    kept = tuple(
        replace(b, extra={name: b.extra.get(name, np.full(len(b), np.nan)) for name in sorted(every)}) for b in bars
    )
    return kept, sorted(some - every)


def _tell_zones(made: Sequence[Series], timezone: str | None, notes: Notes) -> None:
    """Naive intraday times are taken as UTC with a warning; files that differ in having a zone are refused."""
    naive = [s.where for s in made if s.naive]
    aware = [s.where for s in made if not s.naive and not s.days]
    if timezone is None and naive:
        clock.check_mixed(naive, aware)
        for where in dict.fromkeys(naive):
            notes.warn(where, "intraday times without a zone are taken as UTC; data.timezone says what they mean")


def _split_warnings(bars: tuple[Bars, ...]) -> list[str]:
    """One warning that names the first splits which unadjusted closes show as moves."""
    seen = [(b.symbol, day, ratio) for b in bars if "adj_close" in b.extra for day, ratio in splits(b)]
    if not seen:
        return []
    told = ", ".join(f"{symbol} {str(day)[:10]} ({ratio:.3g} for 1)" for symbol, day, ratio in seen[:_SPLITS_SHOWN])
    more = f" and {len(seen) - _SPLITS_SHOWN} more" if len(seen) > _SPLITS_SHOWN else ""
    return [
        f"unadjusted closes have splits: {told}{more}; data.adjusted=true mends prices and volume by the adjusted close"
    ]
