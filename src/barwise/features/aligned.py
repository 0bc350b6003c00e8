"""All symbols' bars side by side, for feature sets that compare the symbols of a bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from barwise.data.bars import COLUMNS, Bars
from barwise.data.groups import NONE, names_of, shared
from barwise.data.times import times_of
from barwise.errors import ConfigError
from barwise.features import FeatureSet
from barwise.hooks import unwrapped

if TYPE_CHECKING:
    from barwise.data.bars import Universe

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class AlignedBars:
    """Arrays of shape (bar, symbol), NaN where a symbol has no bar; row t of a feature may use rows up to t alone.

    `time`: every time at which some symbol has a bar, rising. `has`: whether a symbol has a bar. `inside`: whether it
    has one and is in the universe; these are the cross-section. `rows`: per symbol, the rows of its own bars. `groups`:
    codes into `group_names`, -1 where a symbol has no bar or none of them.
    """

    symbols: tuple[str, ...]
    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    extra: Mapping[str, np.ndarray]
    has: np.ndarray
    inside: np.ndarray
    rows: tuple[np.ndarray, ...]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    group_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def each(self, function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
        """`function` of each symbol by itself: it is given the symbol's own bars of each of `arrays`, without gaps."""
        out = np.full(self.has.shape, np.nan)
        for i, rows in enumerate(self.rows):
            out[rows, i] = function(*(values[rows, i] for values in arrays))
        return out


PanelFeatureSet = Callable[[AlignedBars], dict[str, np.ndarray]]
"""Column name to float64 array of shape (bar, symbol); marked by `across_symbols`."""


@runtime_checkable
class AcrossSymbols(Protocol):
    """Sees all symbols at once where `across_symbols`: a feature set, a labeler, or a signal rule."""

    across_symbols: bool


def across_symbols(function: Function) -> Function:
    """Marks a function of AlignedBars as a PanelFeatureSet."""
    function.across_symbols = True  # type: ignore[attr-defined]
    return function


def sees_all(one: Any) -> bool:
    """Whether a set is a PanelFeatureSet, with its parameters given or not."""
    marked = unwrapped(one)
    return isinstance(marked, AcrossSymbols) and bool(marked.across_symbols)


def align(bars: Sequence[Bars], universe: Universe | None = None, only: Sequence[str] = COLUMNS) -> AlignedBars:
    """The bars of several symbols on the times of all of them; columns but the `only` ones are NaN and take no room."""
    time = times_of(bars)
    rows = tuple(np.searchsorted(time, b.time) for b in bars)
    shape = (len(time), len(bars))

    def laid(values: Sequence[np.ndarray | None], fill: Any = np.nan) -> np.ndarray:
        out = np.full(shape, fill)
        for i, own in enumerate(values):
            if own is not None:
                out[rows[i], i] = own
        return out

    columns: dict[str, np.ndarray] = dict.fromkeys(COLUMNS, np.broadcast_to(np.nan, shape))
    columns |= {name: laid([getattr(b, name) for b in bars]) for name in only}
    extras = dict.fromkeys(name for b in bars for name in b.extra)
    grouped = {name: shared(name, bars) for name in names_of(bars)}
    has = laid([np.ones(len(b), bool) for b in bars], False)
    inside = has if universe is None else laid([universe.inside(b.symbol, b.time) for b in bars], False)
    return AlignedBars(
        symbols=tuple(b.symbol for b in bars), time=time, **columns,
        extra={name: laid([b.extra.get(name) for b in bars]) for name in extras}, has=has, inside=inside, rows=rows,
        groups={name: laid(codes, NONE) for name, (codes, _) in grouped.items()},
        group_names={name: names for name, (_, names) in grouped.items()},
    )  # fmt: skip


@dataclass(frozen=True)
class Bound:
    """A PanelFeatureSet that was computed on one market, as a FeatureSet of its symbols."""

    market: AlignedBars
    columns: Mapping[str, np.ndarray]

    def __call__(self, bars: Bars) -> dict[str, np.ndarray]:
        i = self.market.symbols.index(bars.symbol)
        rows = self.market.rows[i]
        if not np.array_equal(self.market.time[rows], bars.time):
            raise ValueError(f"{bars.symbol}: other bars than those that the cross-section was made of")
        return {name: values[rows, i] for name, values in self.columns.items()}


def bound(
    sets: Mapping[str, FeatureSet], bars: Sequence[Bars], universe: Universe | None = None
) -> Mapping[str, FeatureSet]:
    """`sets` with each PanelFeatureSet computed on `bars`; what is given back takes one of these symbols at a time."""
    if not any(map(sees_all, sets.values())):
        return sets
    market = align(bars, universe)
    return {name: Bound(market, evaluated(name, one, market)) if sees_all(one) else one for name, one in sets.items()}


def evaluated(name: str, one: Any, market: AlignedBars) -> dict[str, np.ndarray]:
    """The columns of a PanelFeatureSet; ConfigError for what is none."""
    try:
        given = cast(PanelFeatureSet, one)(market)
    except Exception as error:
        error.add_note(f"in features.{name}")
        raise
    if not isinstance(given, dict) or not given:
        what = "an empty dict" if isinstance(given, dict) else type(given).__name__
        raise ConfigError(f"features.{name}: gave {what}; a set across symbols returns {{column: array}}")
    for column, values in given.items():
        array = np.asarray(values)
        if array.shape != market.has.shape or array.dtype.kind not in "fiub":
            bars, symbols = market.has.shape
            raise ConfigError(
                f"features.{name}: {column} has shape {array.shape} and type {array.dtype}; it must be numbers of shape"
                f" ({bars}, {symbols}): bars, symbols"
            )
    return {column: np.asarray(values, dtype=np.float64) for column, values in given.items()}


def among(
    bars: Bars, sets: Mapping[str, FeatureSet], market: Sequence[Bars], universe: Universe | None = None
) -> Mapping[str, FeatureSet]:
    """`sets` for `bars`, a stretch of one symbol, beside what the others of `market` have in the same stretch."""
    if not any(map(sees_all, sets.values())):
        return sets
    others = [between(b, bars.time[0], bars.time[-1]) for b in market if b.symbol != bars.symbol]
    return bound(sets, [bars, *(b for b in others if len(b))], universe)


def between(bars: Bars, first: np.datetime64, last: np.datetime64) -> Bars:
    """The bars from `first` to `last`, both included."""
    return bars.take(slice(int(np.searchsorted(bars.time, first)), int(np.searchsorted(bars.time, last, side="right"))))
