"""Scores on a grid of bars and symbols, with what may follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import bottleneck as bn
import numpy as np

from barwise.backtest.grid import Grid
from barwise.factor import bars
from barwise.factor.returns import Forward

_CROSS_SECTION = 20  # scores a bar from which symbols are compared within bars; fewer are pooled in time
_POOLED = 60  # scores of a stretch of pooled bars, at least
_OWN_PAST = 250  # own last scores that a score is compared with where there are few symbols

Frame = dict[str, np.ndarray]


def frame(kinds: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> Frame:
    """Rows as columns of the types given by name."""
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return {name: np.array(values, kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)}


@dataclass(frozen=True)
class Scores:
    """Scores (bar, symbol) on a grid, NaN where there is none, and the returns that may follow.

    `horizon`: bars that a position is held, which tables by group and year are about.
    """

    score: np.ndarray
    grid: Grid
    execution: str = "next_open"
    horizon: int = 1
    per_year: float = 252.0
    memory: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, grid: Grid, symbol: np.ndarray, time: np.ndarray, score: np.ndarray, **more: object) -> Scores:
        """The rows of a table of scores on the grid."""
        dense = np.full(grid.has.shape, np.nan)
        dense[grid.row_of(time), symbol] = score
        dense[~(grid.member & np.isfinite(dense))] = np.nan
        return cls(dense, grid, **more)  # type: ignore[arg-type]

    @cached_property
    def rows(self) -> np.ndarray:
        """The bars that have a score."""
        return np.flatnonzero(np.isfinite(self.score).any(axis=1))

    @cached_property
    def across(self) -> bool:
        """Whether there are symbols enough to compare them within each bar."""
        counts = np.isfinite(self.score[self.rows]).sum(axis=1)
        return bool(len(counts) and np.median(counts) >= _CROSS_SECTION)

    @cached_property
    def pool(self) -> int:
        """How many bars are one observation: 1 across symbols, else so many that 60 scores come together."""
        if self.across or not len(self.rows):
            return 1
        counts = np.isfinite(self.score[self.rows]).sum(axis=1)
        return int(np.ceil(_POOLED / max(1.0, float(np.median(counts)))))

    @cached_property
    def quantiles(self) -> int:
        """Ten parts where a bar has a hundred scores or more, else five."""
        counts = np.isfinite(self.score[self.rows]).sum(axis=1)
        return 10 if len(counts) and np.median(counts) >= 100 else 5

    @cached_property
    def values(self) -> np.ndarray:
        """The scores of `rows`."""
        found: np.ndarray = self.score[self.rows]
        return found

    @cached_property
    def forward(self) -> Forward:
        return Forward(self.grid, self.execution)

    def returns(self, horizon: int) -> np.ndarray:
        """(bar, symbol) over `rows`: what a trade decided there earns over `horizon` own bars."""
        if horizon not in self.memory:
            found: np.ndarray = self.forward.over(horizon, self.rows)
            if horizon != 1 and horizon != self.horizon:
                return found
            self.memory[horizon] = found
        return self.memory[horizon]

    def pooled(self, values: np.ndarray) -> np.ndarray:
        """`pool` bars after each other as one row; the last, shorter stretch is left out."""
        whole = len(values) // self.pool
        found: np.ndarray = values[: whole * self.pool].reshape(whole, self.pool * values.shape[1])
        return found

    def parts(self, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """(observation, quantile) mean return over `horizon` bars of each quantile, and (observation,) of all."""
        quantile, ret = self.pooled(self.quantile), self.pooled(self.returns(horizon))
        return bars.mean_by_quantile(quantile, ret, self.quantiles), bars.row_mean(ret, quantile > 0)

    def overlap(self, horizon: int) -> int:
        """Over how many observations a return of `horizon` bars reaches."""
        return -(-horizon // self.pool)

    @cached_property
    def firsts(self) -> np.ndarray:
        """The first row of each observation: of each bar, or of each stretch of pooled bars."""
        found: np.ndarray = self.rows[: len(self.rows) // self.pool * self.pool : self.pool]
        return found

    @cached_property
    def ranks(self) -> np.ndarray:
        found = self.pooled(self.values)
        out = np.full(found.shape, np.nan)
        for rows in bars.row_blocks(found.shape):
            out[rows] = bars.ranked(found[rows])
        return out

    def information(self, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Pearson's and Spearman's correlation of score and return of each bar, or stretch of pooled bars."""
        return bars.information(self.pooled(self.values), self.pooled(self.returns(horizon)), self.least, self.ranks)

    @property
    def least(self) -> int:
        """Pairs of score and return that a correlation needs."""
        return _CROSS_SECTION // 2 if self.across else _POOLED // 2

    @cached_property
    def quantile(self) -> np.ndarray:
        """(bar, symbol) over `rows`: part of the bar's scores, or of the symbol's own last 250; 0 where there is none.

        The own past where symbols are few: 20 scores of it at least, nothing later.
        """
        if self.across:
            return bars.quantile_of(self.values, self.quantiles)
        if not len(self.rows):
            return np.zeros(self.values.shape, np.int16)
        place = np.full(self.values.shape, np.nan)
        for s in range(self.values.shape[1]):
            own = np.flatnonzero(np.isfinite(self.values[:, s]))
            if len(own) >= _CROSS_SECTION:
                window = min(_OWN_PAST, len(own))
                place[own, s] = bn.move_rank(self.values[own, s], window, min_count=_CROSS_SECTION)
        part = np.ceil((place + 1) / 2 * self.quantiles)
        return np.where(np.isfinite(part), np.clip(part, 1, self.quantiles), 0).astype(np.int16)
