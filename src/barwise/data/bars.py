"""Bars of one symbol, and the market: all symbols of one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from barwise.data.times import times_of

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the first `rows` of bars that cannot be written: they are sound, their hash is `digest`, and the
    first `whole` of them have the hash `chain` (see `barwise.data.hash`).

    `earlier`: the hash of fewer of them. `calm`: nothing about them is in doubt.
    """

    rows: int
    digest: str
    whole: int
    chain: bytes
    earlier: Mapping[int, str] = field(default_factory=dict)
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """One symbol, oldest bar first.

    Float64 arrays of one length; `time` is datetime64[ns] in UTC and strictly increasing. `extra` holds bid, ask and
    any other numeric column of the source, with NaN where the source has none.
    `groups` holds its columns of words, such as a sector, as codes (int32) into `group_names`, -1 where a bar has none.
    `known`: what need not be looked at again, of these very arrays; whatever is made of them has none.
    """

    symbol: str
    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    group_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Known | None = field(default=None, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.time)

    def known_as(self, known: Known) -> Bars:
        """These bars, whose arrays cannot be written from here on, and of which so much is known."""
        for values in (self.time, self.open, self.high, self.low, self.close, self.volume,
                       *self.extra.values(), *self.groups.values()):  # fmt: skip
            values.flags.writeable = False
        object.__setattr__(self, "known", known)
        return self

    def take(self, rows: slice | np.ndarray) -> Bars:
        """The bars at `rows` (a slice or an index array), as new Bars."""
        columns = {name: getattr(self, name)[rows] for name in ("time", *COLUMNS)}
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(self, **columns, extra=extra, groups={name: codes[rows] for name, codes in self.groups.items()})


@dataclass(frozen=True)
class Universe:
    """`stays`: per symbol the (first, last) times, both included, of each of its stays, in UTC."""

    name: str
    stays: Mapping[str, tuple[tuple[np.datetime64, np.datetime64], ...]]

    def inside(self, symbol: str, time: np.ndarray) -> np.ndarray:
        """Whether the symbol is in at each time."""
        found = np.zeros(len(time), bool)
        for first, last in self.stays.get(symbol, ()):
            found |= (time >= first) & (time <= last)
        return found


@dataclass(frozen=True, slots=True)
class Market:
    """All symbols of one source, ordered by symbol.

    `periods_per_year` is None where the times should tell. `facts` are plain values that reports show:
    `name`, `note` (for example on survivorship), `dropped_rows`, `adjusted`, and the like. `universe`: when each symbol
    was in; None: always.
    """

    bars: tuple[Bars, ...]
    periods_per_year: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    universe: Universe | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(b.symbol for b in self.bars)

    def times(self) -> np.ndarray:
        """The unique times of all symbols, in order."""
        return times_of(self.bars)
