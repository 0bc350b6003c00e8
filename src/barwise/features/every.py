"""Feature sets on larger bars, resampled from those there are: each is known only when it has closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barwise.data.bars import Bars
from barwise.data.resample import Groups, Size, check_size, combined, group
from barwise.errors import ConfigError
from barwise.features import FeatureSet
from barwise.features.aligned import AlignedBars, align, sees_all
from barwise.hooks import direct


@dataclass(frozen=True)
class Every:
    """A feature set that is called on bars of `size`; columns `<column>_<size>`, as long as the bars it is given.

    Row t has what the last larger bar tells that had closed by its stamp. The first larger bar, of which some may be
    missing, is not used.
    """

    name: str
    one: FeatureSet
    size: Size

    @property
    def across_symbols(self) -> bool:
        """Whether the set compares the symbols of a bar."""
        return sees_all(self.one)

    @property
    def suffix(self) -> str:
        return f"_{self.size.every}"

    def __call__(self, bars: Any) -> dict[str, np.ndarray]:
        return self._aligned(bars) if self.across_symbols else self._single(bars)

    def direct(self) -> Every:
        """The same, called without what Hydra looks at in each call."""
        return replace(self, one=direct(self.one))

    def at_own_size(self) -> FeatureSet:
        """The set on bars that are of the larger size already, with the columns' names of this one."""
        return _OwnSize(self)

    def _single(self, bars: Bars) -> dict[str, np.ndarray]:
        groups = group(bars.time, self.size)
        larger, known = self._larger(bars, groups, np.arange(len(bars)))
        found = self._columns(self.one(larger), (len(larger),))
        return {name: _joined(values, known) for name, values in found.items()}

    def _aligned(self, market: AlignedBars) -> dict[str, np.ndarray]:
        groups = group(market.time, self.size)  # of all symbols: one of few bars knows no more than the others
        every = [self._larger(_bars_of(market, i), groups, rows) for i, rows in enumerate(market.rows)]
        whole = align([larger for larger, _ in every])
        inside = np.zeros(whole.inside.shape, bool)
        for i, (larger, known) in enumerate(every):
            last = np.searchsorted(known, np.arange(len(larger)))  # the row from which on each is known
            closed = last < len(known)
            inside[whole.rows[i][closed], i] = market.inside[market.rows[i][last[closed]], i]
        found = self._columns(self.one(replace(whole, inside=inside)), whole.has.shape)  # type: ignore[arg-type]
        out = {name: np.full(market.has.shape, np.nan) for name in found}
        for i, (_, known) in enumerate(every):
            for name, values in found.items():
                out[name][market.rows[i], i] = _joined(values[whole.rows[i], i], known)
        return out

    def _larger(self, bars: Bars, groups: Groups, rows: np.ndarray) -> tuple[Bars, np.ndarray]:
        """The larger bars but the first, and per bar the last of them that it knows, -1 for none.

        `rows`: the places of the bars among the stamps that `groups` are of.
        """
        check_size(bars, self.size, f"features.{self.name}.every")
        number = groups.number[rows]
        larger = combined(bars, number, groups.time)
        if len(larger) == 1:  # none has closed that is surely whole: it tells the columns, and no value
            return larger, np.full(len(bars), -1)
        own = np.unique(number)
        return larger.take(slice(1, None)), np.searchsorted(own, groups.known[rows], side="right") - 2

    def _columns(self, found: Any, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """What the set gave, with the names of this size; ConfigError for what is no column of its bars."""
        if not isinstance(found, dict) or not found:
            what = "an empty dict" if isinstance(found, dict) else type(found).__name__
            raise ConfigError(f"features.{self.name}: gave {what}; a feature set returns {{column: array}}")
        for name, values in found.items():
            array = np.asarray(values)
            if array.shape != shape or array.dtype.kind not in "fiub":
                raise ConfigError(
                    f"features.{self.name}: {name} has shape {array.shape} and type {array.dtype} on bars of"
                    f" {self.size.every}; it must be numbers of shape {shape}"
                )
        return {f"{name}{self.suffix}": np.asarray(values, dtype=np.float64) for name, values in found.items()}


@dataclass(frozen=True)
class _OwnSize:
    """`Every` without its resampling."""

    every: Every

    @property
    def across_symbols(self) -> bool:
        return self.every.across_symbols

    def __call__(self, bars: Any) -> dict[str, np.ndarray]:
        return {f"{name}{self.every.suffix}": values for name, values in self.every.one(bars).items()}


def at_own_size(sets: Mapping[str, FeatureSet]) -> dict[str, FeatureSet]:
    """`sets`, those on larger bars without resampling: what they need is told in larger bars."""
    return {name: one.at_own_size() if isinstance(one, Every) else one for name, one in sets.items()}


def _joined(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The value of the larger bar that each bar knows; NaN where it knows none."""
    return np.where(known >= 0, values[np.maximum(known, 0)], np.nan)


def _bars_of(market: AlignedBars, i: int) -> Bars:
    """One symbol's own bars."""
    rows = market.rows[i]
    columns = {n: getattr(market, n)[rows, i] for n in ("open", "high", "low", "close", "volume")}
    extra = {name: values[rows, i] for name, values in market.extra.items()}
    groups = {name: codes[rows, i] for name, codes in market.groups.items()}
    return Bars(market.symbols[i], market.time[rows], **columns, extra=extra, groups=groups,
                group_names=market.group_names)  # fmt: skip
