"""Capacity: what is left of a strategy after costs at other capitals, and how long its positions take to sell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.backtest.metrics import net_sharpe

if TYPE_CHECKING:
    from barwise.portfolio.context import Context

_BELOW, _ABOVE, _STEP = 2, 4, 0.5  # decades of capital below and above the one set, and between two of the curve
_FARTHEST = 1e15  # of capital, to which the point is looked for where costs eat half
_SOLD = 0.95  # share of the book that is to be sold
_USUAL = 0.1  # of a bar's volume, where the cost model has no limit of its own
_WINDOW = 20  # bars of which the usual volume is the mean


@dataclass(frozen=True)
class _Decided:
    """A portfolio of weights that were decided before: (time, symbol), NaN without orders."""

    target: np.ndarray
    plain = standard = reads_scores = False

    def weights(self, context: Context, max_gross: float = 1.0) -> np.ndarray:
        return self.target.copy()


def capacity(grid: Grid, backtest: Any, ledger: Ledger, signals: Signals, per_year: float) -> dict[str, Any] | None:
    """Net Sharpe ratio and return of the weights that `ledger` decided, at capitals around the backtest's.

    `cost_share`: Σ cost over Σ gross; `half`: the capital at which it is one half, None where gross is not above zero,
    where less is too much, or where `FARTHEST` is not enough. `days_to_liquidate`: mean and longest over the bars, at
    the backtest's capital. None where costs know no volume, or the ledger kept no positions.
    """
    if not isinstance(backtest, Backtest) or backtest.costs is None or ledger.held is None:
        return None
    settings = (backtest.execution, backtest.commission_bps, backtest.slippage_bps, backtest.capital)
    prices = backtest.costs.on(grid, *settings)
    if prices.volume is None:
        return None
    weights = np.full(grid.has.shape, np.nan)
    weights[ledger.held.first : ledger.held.first + len(ledger.held.decided)] = ledger.held.decided
    fixed: Any = _Decided(weights)
    other = replace(backtest, portfolio=fixed, keep_positions=False)

    def at(capital: float) -> Ledger:
        return replace(other, capital=capital).run(grid, signals, per_year)

    steps = np.arange(-_BELOW, _ABOVE + _STEP / 2, _STEP)
    capitals = sorted({min(float(f"{backtest.capital * 10.0**k:.6g}"), _FARTHEST) for k in steps})
    books = [at(capital) for capital in capitals]
    shares = [_cost_share(book) for book in books]
    while shares[-1] is not None and shares[-1] < 0.5 and capitals[-1] < _FARTHEST:
        capitals.append(min(capitals[-1] * 10.0, _FARTHEST))
        books.append(at(capitals[-1]))
        shares.append(_cost_share(books[-1]))
    days = _days_to_liquidate(grid, ledger, prices.volume, getattr(backtest.costs, "participation", None) or _USUAL)
    return {
        "capital": capitals,
        "sharpe": [net_sharpe(book, per_year) for book in books],
        "annual_return": [_annual(book, per_year) for book in books],
        "cost_share": shares,
        "half": _half_of(capitals, shares),
        "days_to_liquidate": float(days.mean()) if len(days) and np.isfinite(days).all() else None,
        "days_to_liquidate_worst": float(days.max()) if len(days) and np.isfinite(days).all() else None,
    }


def _cost_share(book: Ledger) -> float | None:
    """Σ cost over Σ gross; None where the gross is not above zero."""
    gross = float(book.gross.sum())
    return float(book.cost.sum()) / gross if gross > 0.0 and not book.ruined else None


def _annual(book: Ledger, per_year: float) -> float:
    """The net return a year, compounded; -1 where the account was ruined."""
    last = float(book.equity[-1])
    return float(last ** (per_year / len(book.equity))) - 1.0 if last > 0.0 else -1.0


def _half_of(capitals: list[float], shares: list[float | None]) -> float | None:
    """The capital at which the share first passes one half, on a straight line between logarithms."""
    known = [(capital, share) for capital, share in zip(capitals, shares, strict=True) if share is not None]
    for (low, before), (high, after) in pairwise(known):
        if before < 0.5 <= after:
            part = (0.5 - before) / (after - before)
            return float(low * (high / low) ** part)
    return None


def _days_to_liquidate(grid: Grid, ledger: Ledger, volume: np.ndarray, participation: float) -> np.ndarray:
    """Per bar with positions: days until `SOLD` of their value is sold, at a share of each symbol's usual volume.

    `volume`: of each bar, as a share of the capital at the start (time, symbol); usual is the mean of the last bars
    that were traded. Infinite where what is held has no volume.
    """
    held = ledger.held
    if held is None:
        return np.zeros(0)
    rows = slice(held.first, held.first + len(held.weight))
    traded, count = (_rolling_sum(values, _WINDOW)[rows] for values in (volume, (volume > 0).astype(float)))
    a_bar = participation * traded / np.maximum(count, 1.0)
    size = np.abs(held.weight) * np.append(1.0, ledger.equity[:-1])[:, None]
    some = size.sum(axis=1) > 0
    size, a_bar = size[some], a_bar[some]
    enough = _SOLD * size.sum(axis=1)
    low, high = np.zeros(len(size)), np.full(len(size), 1e9)
    for _ in range(60):
        middle = 0.5 * (low + high)
        sold = np.minimum(size, a_bar * middle[:, None]).sum(axis=1) >= enough
        low, high = np.where(sold, low, middle), np.where(sold, middle, high)
    bars_a_day = len(grid.time) / len(np.unique(grid.time.astype("datetime64[D]")))
    found: np.ndarray = np.where(high < 1e9, high / bars_a_day, np.inf)
    return found


def _rolling_sum(values: np.ndarray, window: int) -> np.ndarray:
    """Sums of the last `window` rows."""
    total = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    first = np.maximum(np.arange(len(values)) + 1 - window, 0)
    found: np.ndarray = np.maximum(total[1:] - total[first], 0.0)
    return found
