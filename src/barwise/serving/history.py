"""What a live symbol remembers: its last bars, and the last rows of its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from barwise.data.bars import COLUMNS, Bars
from barwise.data.checks import check_bars
from barwise.data.groups import put, together
from barwise.errors import DataError
from barwise.features import FeatureSet
from barwise.features.matrix import compute
from barwise.serving.window import last_row


@dataclass
class History:
    """The bars of one symbol so far, at most `window` of them (all if None), and its last `keep` feature rows.

    `rows`: (row, feature) float32, oldest first; `warm`: per row whether every feature had been defined by then.
    `seen`: which features have been defined at least once. `carried`: per model, what a stream net hands on.
    """

    symbol: str
    window: int | None
    keep: int
    bars: Bars
    rows: np.ndarray
    warm: np.ndarray
    seen: np.ndarray
    carried: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls, symbol: str, window: int | None, keep: int, n_features: int) -> History:
        """No bar yet."""
        empty = np.zeros(0)
        bars = Bars(symbol, np.zeros(0, "datetime64[ns]"), empty, empty, empty, empty, empty)
        rows = np.zeros((0, n_features), np.float32)
        return cls(symbol, window, keep, bars, rows, np.zeros(0, bool), np.zeros(n_features, bool))

    def checked(self, new: Bars) -> Bars:
        """The same bars; DataError where they are not bars, not later than the last, or have other columns."""
        check_bars(new)
        if len(self.bars) and new.time[0] <= self.bars.time[-1]:
            raise DataError(
                f"{self.symbol}: the bar of {new.time[0]} is not later than the last, of {self.bars.time[-1]}"
            )
        if len(self.bars) and np.isnan(self.bars.volume[-1]) != np.isnan(new.volume[0]):
            has, lacks = ("no volume", "one") if np.isnan(new.volume[0]) else ("a volume", "none")
            raise DataError(f"{self.symbol}: the bar of {new.time[0]} has {has}; so far the bars had {lacks}")
        if len(self.bars) and set(new.extra) != set(self.bars.extra):
            given, wanted = sorted(new.extra) or ["none"], sorted(self.bars.extra) or ["none"]
            raise DataError(f"{self.symbol}: extra columns {', '.join(given)}; so far there were {', '.join(wanted)}")
        return new

    def add(
        self,
        new: Bars,
        sets: Mapping[str, FeatureSet],
        features: tuple[str, ...],
        warmup: int = 0,
        since: np.datetime64 | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take one checked bar or several; returns their feature rows, and which of those are warm.

        `warmup`: bars before a row can be warm; once one is, all later ones are, so that the window may forget them.
        `since`: a time from which bars are kept even if they lie before the window.
        """
        bars = self.then(new)
        columns = compute(bars, sets)
        if len(new) == 1:
            table = last_row(columns, features)[None]
        else:
            nan = np.full(len(bars), np.nan)
            table = np.column_stack([columns.get(name, nan) for name in features])[-len(new) :]
        with np.errstate(over="ignore"):
            rows = table.astype(np.float32)
        rows[~np.isfinite(rows)] = np.nan
        ever = np.logical_or.accumulate(np.isfinite(rows), axis=0) | self.seen
        self.rows = np.concatenate([self.rows, rows])[-self.keep :]
        old_enough = np.arange(len(bars))[-len(new) :] >= warmup
        warm = ever.all(axis=1) & (old_enough | bool(len(self.warm) and self.warm[-1]))
        self.warm = np.concatenate([self.warm, warm])[-self.keep :]
        self.seen = ever[-1]
        if self.window is not None:
            first = max(0, len(bars) - self.window + 1)
            bars = _trimmed(bars, first if since is None else min(first, int(np.searchsorted(bars.time, since))))
        self.bars = bars
        return rows, warm

    def then(self, new: Bars) -> Bars:
        """The bars so far with `new` after them."""
        return _joined(self.bars, new) if len(self.bars) else new


def _trimmed(bars: Bars, first: int) -> Bars:
    """The bars from row `first` on; where that lacks an extra value, it is given the last one that is let go of."""
    kept = bars.take(slice(first, None))
    extra = dict(kept.extra)
    for name, values in bars.extra.items():
        known = np.flatnonzero(np.isfinite(values[:first]))
        if len(known) and np.isnan(values[first]):
            extra[name] = np.concatenate([values[known[-1:]], values[first + 1 :]])
    return replace(kept, extra=extra)


def _joined(old: Bars, new: Bars) -> Bars:
    """The bars of both, one after the other."""
    both = {name: np.concatenate([getattr(old, name), getattr(new, name)]) for name in ("time", *COLUMNS)}
    extra = {name: np.concatenate([old.extra[name], new.extra[name]]) for name in old.extra}
    return put(Bars(old.symbol, **both, extra=extra, groups={}, group_names={}), together([old, new]))
