"""Labelers, splitters, signal rules and backtests that a careless user might write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.cross_labels import cross_rank, excess_return
from barwise.data.bars import Bars
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.labels import forward_return, next_return_sign
from barwise.samples import Labels


def ends_too_early(bars: Bars) -> Labels:
    """The return of twenty bars, said to be known after two: the purge would keep what overlaps."""
    return replace(forward_return(bars, horizon=20), end=next_return_sign(bars).end)


def known_already(bars: Bars) -> Labels:
    """The sign of the return to this close, which is over when the label is made."""
    ret = np.full(len(bars), np.nan)
    ret[1:] = bars.close[1:] / bars.close[:-1] - 1
    end = np.where(np.isfinite(ret), bars.time, np.datetime64("NaT", "ns"))
    return Labels(np.sign(ret), ret, end, np.ones(len(bars)))


def from_a_price_that_is_gone(bars: Bars) -> Labels:
    """close(t) to the best price of the next two bars: no trade at the next open earns that."""
    found = next_return_sign(bars)
    ret = found.ret.copy()
    ret[:-2] = np.maximum(bars.high[1:-1], bars.high[2:]) / bars.close[:-2] - 1 + 0.05
    return replace(found, ret=np.where(np.isfinite(found.ret), ret, np.nan))


def scaled_by_all_returns(bars: Bars) -> Labels:
    """Large moves only, large by the deviation over all bars."""
    found = next_return_sign(bars)
    return replace(found, y=np.where(np.abs(found.ret) > np.nanstd(found.ret), found.y, 0.0))


@across_symbols
def ranked_among_later_members(market: AlignedBars) -> Labels:
    """The rank of the next return among those that are members on the last day."""
    found = cross_rank(market, horizon=1)
    last = market.inside[-1]
    others = np.where(last, found.ret, np.nan)
    below = (others[:, None, :] < found.ret[:, :, None]).sum(axis=2)
    y = 2.0 * below / np.maximum(np.isfinite(others).sum(axis=1, keepdims=True) - 1, 1) - 1.0
    return replace(found, y=np.where(np.isfinite(found.ret), y, np.nan))


@across_symbols
def neutral_over_all_dates(market: AlignedBars) -> Labels:
    """The next return less the mean of all returns of the symbol."""
    found = excess_return(market, horizon=1)
    return replace(found, y=found.ret - np.nanmean(found.ret, axis=0))


@across_symbols
def ends_with_its_own(market: AlignedBars) -> Labels:
    """The excess over all members, said to be known when the symbol's own return is."""
    found = excess_return(market, horizon=1)
    end = np.full(found.end.shape, np.datetime64("NaT", "ns"))
    for i, rows in enumerate(market.rows):
        end[rows[:-2], i] = market.time[rows[2:]]
    return replace(found, end=np.where(np.isfinite(found.ret), end, np.datetime64("NaT", "ns")))


@across_symbols
def earns_its_excess(market: AlignedBars) -> Labels:
    """The excess is no return that a trade earns."""
    found = excess_return(market, horizon=5)
    return replace(found, ret=50.0 * found.y)


@dataclass(frozen=True)
class NeutralOverAllDates:
    """The sign of the score less the mean of all scores."""

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return np.sign(np.nan_to_num(score - np.nanmean(score)))

    def facts(self) -> dict[str, float]:
        return {}


def large_moves(bars: Bars) -> Labels:
    """Up, down, or less than one per cent: three classes, and no leak."""
    found = next_return_sign(bars)
    return replace(found, y=np.where(np.abs(found.ret) < 0.01, 0.0, found.y))


at_the_close = partial(next_return_sign, execution="next_close")
twenty_bars = partial(forward_return, horizon=20)


@dataclass(frozen=True)
class TestRowsInTraining:
    """Five blocks, and the training times of each are all times."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 5

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for block in np.array_split(np.arange(len(X)), 5):
            yield np.arange(len(X)), block


@dataclass(frozen=True)
class MostExtreme:
    """Trades the tenth of all scores that lies highest, later ones included."""

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return np.where(score > np.nanquantile(score, 0.9), 1.0, 0.0)

    def facts(self) -> dict[str, float]:
        return {}


class AtTheBarsOwnOpen(Backtest):
    """The signal of a bar's close, or of its high, traded at its open."""

    lag = 0

    def run(self, grid: Grid, signals: Signals, periods_per_year: float, delay: int = 0) -> Ledger:
        target = grid.later(signals.on(grid), self.lag) if self.lag else signals.on(grid)
        return self.trade(grid, target, signals.span(grid), periods_per_year, 0)


class AtTheBarsOwnClose(AtTheBarsOwnOpen):
    """The signal of a bar's close, traded at that close."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:  # type: ignore[override]
        return Backtest.trade(replace(self, execution="next_close"), grid, *rest)
