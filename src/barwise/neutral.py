"""Neutral scores: what is left of a bar's scores once market, sector, beta, size or any column is taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import bottleneck as bn
import numpy as np

from barwise.cross_labels import group_mean
from barwise.data.bars import COLUMNS, Bars, Universe
from barwise.errors import ConfigError, require
from barwise.features import rolling
from barwise.features.aligned import AlignedBars, align
from barwise.features.cross_section import own_return

WINDOW = 60  # bars of beta, and of the mean turnover that size is by where the source has no column of that name
NEEDED = WINDOW + 2  # own bars of a symbol that the exposures of its last one are made of
TINY = 1e-9  # of a score: what rounding leaves of nothing
WORDS = "market, beta, size, a group or a column of numbers"


@dataclass(frozen=True)
class Neutral:
    """What scores are made neutral to, bar by bar: `market` (the bar's mean, taken out by all others too), `beta`,
    `size`, any of the source's groups (the mean of each) or columns of numbers (by regression).

    `beta`: slope on the members' mean return over a symbol's last 60 bars. `size`: the column of that name, else the
    logarithm of close times volume, averaged over 60 bars. ConfigError for names that are none.
    """

    to: tuple[str, ...]

    @classmethod
    def of(cls, value: object) -> Neutral | None:
        """What `signals.neutral` asks for; None for null."""
        if value is None:
            return None
        names = [value] if isinstance(value, str) else value
        good = isinstance(names, list | tuple) and names and all(isinstance(name, str) and name for name in names)
        require(bool(good), f"signals.neutral={value}: must be null or a list of {WORDS}; [market,sector]")
        assert isinstance(names, list | tuple)
        twice = sorted({name for name in names if list(names).count(name) > 1})
        require(not twice, f"signals.neutral={value}: names {twice[0] if twice else ''} twice")
        return cls(tuple(names))

    def on(self, bars: Sequence[Bars], universe: Universe | None = None) -> Exposures:
        """What each bar of each symbol is exposed to; ConfigError where there is one symbol, or no such column."""
        if len(bars) < 2:
            raise ConfigError(f"signals.neutral={list(self.to)}: compares symbols, and there is one; leave it at null")
        market = align(bars, universe)
        groups = [market.groups[name] for name in self.to if name in market.groups]
        columns = [column(market, name) for name in self.to if name != "market" and name not in market.groups]
        return Exposures(market.symbols, market.time, tuple(groups), tuple(columns))


@dataclass(frozen=True)
class Exposures:
    """Codes of groups and numbers, (bar, symbol), by which scores are made neutral."""

    symbols: tuple[str, ...]
    time: np.ndarray
    groups: tuple[np.ndarray, ...]
    columns: tuple[np.ndarray, ...]

    def __call__(self, symbols: Sequence[str], symbol: np.ndarray, time: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Residual scores of each bar among those given; NaN stays NaN. `symbol`: indices into `symbols`.

        A bar whose residuals reach beyond -1 or 1 is scaled down as a whole, so that it stays neutral.
        """
        out = score.copy()
        known = np.flatnonzero(np.isfinite(score))
        if not len(known):
            return out
        place = {name: i for i, name in enumerate(self.symbols)}
        column = np.array([place[name] for name in symbols])[symbol[known]]
        row = np.searchsorted(self.time, time[known])
        order = np.argsort(row, kind="stable")
        known, row, column = known[order], row[order], column[order]
        if not self.columns and len(self.groups) <= 1:
            left = self._less_means(score[known], row, column)
        else:
            parts = np.split(np.arange(len(known)), np.flatnonzero(np.diff(row)) + 1)
            left = np.concatenate([self._residual(score[known[p]], int(row[p[0]]), column[p]) for p in parts])
        left[np.abs(left) < TINY] = 0.0
        _, bar = np.unique(row, return_inverse=True)
        most = np.ones(bar[-1] + 1)
        np.maximum.at(most, bar, np.abs(left))
        out[known] = left / most[bar]
        return out

    def _less_means(self, score: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        code = self.groups[0][row, column] + 1 if self.groups else np.zeros(len(row), np.int64)
        _, cell = np.unique(row.astype(np.int64) * (int(code.max()) + 1) + code, return_inverse=True)
        mean = np.bincount(cell, score) / np.bincount(cell)
        found: np.ndarray = score - mean[cell]
        return found

    def _residual(self, score: np.ndarray, row: int, column: np.ndarray) -> np.ndarray:
        """What the regression of one bar's scores on its groups and columns leaves."""
        parts = [np.ones((len(score), 1))]
        for codes in self.groups:
            own = codes[row, column]
            parts.append((own[:, None] == np.unique(own)).astype(np.float64))
        for values in self.columns:
            x = values[row, column]
            there = np.isfinite(x)
            x = np.where(there, x - x[there].mean(), 0.0) if there.any() else np.zeros(len(x))
            spread = np.abs(x).max(initial=0.0)
            parts.append((x / spread if spread > 0 else x)[:, None])  # who lacks the number is given the bar's mean
        design = np.hstack(parts)
        fitted = design @ np.linalg.lstsq(design, score, rcond=None)[0]
        found: np.ndarray = score - fitted
        return found


def column(market: AlignedBars, name: str) -> np.ndarray:
    """The exposure of that name, (bar, symbol), by what was known at each bar; ConfigError where there is none."""
    if name == "beta":
        moved = own_return(market, 1)
        index = group_mean(moved, market.inside & np.isfinite(moved), None)
        return market.each(partial(rolling.slope, window=WINDOW), index, moved)
    if name == "size" and name not in market.extra:
        if not np.isfinite(market.volume).any():
            raise ConfigError("signals.neutral=size: there is no volume, and no column size; leave size out")
        mean = market.each(partial(bn.move_mean, window=WINDOW, min_count=1), market.close * market.volume)
        logarithm: np.ndarray = np.log(np.maximum(mean, 1e-12))
        return logarithm
    if name in market.extra:
        return market.extra[name]
    if name in COLUMNS:
        found: np.ndarray = getattr(market, name)
        return found
    there = ", ".join(("market", "beta", "size", *market.groups, *market.extra))
    raise ConfigError(f"signals.neutral={name}: the bars have no such group or column; there are {there}")
