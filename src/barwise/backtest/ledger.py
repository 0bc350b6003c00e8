"""The ledger: signals traded bar by bar, after costs, on one account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from barwise.backtest.weights import WEIGHTINGS, weigh
from barwise.data.bars import Bars
from barwise.errors import require

EXECUTIONS = ("next_open", "next_close")
BPS = 1e-4


@dataclass(frozen=True)
class Grid:
    """All symbols on the union of their times, (time, symbol); made once and traded on many times.

    `close` is carried forward where a symbol has no bar; `before` is the last close before each bar.
    """

    time: np.ndarray
    symbols: tuple[str, ...]
    has: np.ndarray
    open: np.ndarray
    close: np.ndarray
    before: np.ndarray

    @classmethod
    def build(cls, bars: Sequence[Bars]) -> Grid:
        time = np.unique(np.concatenate([b.time for b in bars]))
        shape = (len(time), len(bars))
        has, open_, close = np.zeros(shape, bool), np.full(shape, np.nan), np.full(shape, np.nan)
        for s, b in enumerate(bars):
            rows = np.searchsorted(time, b.time)
            has[rows, s], open_[rows, s], close[rows, s] = True, b.open, b.close
        last = np.maximum.accumulate(np.where(has, np.arange(len(time))[:, None], -1), axis=0)
        close = np.where(last >= 0, np.take_along_axis(close, np.maximum(last, 0), axis=0), np.nan)
        before = np.vstack([np.full((1, len(bars)), np.nan), close[:-1]])
        return cls(time, tuple(b.symbol for b in bars), has, open_, close, before)


@dataclass(frozen=True)
class Signals:
    """Signals of a long table in any order: symbol index, time, value in [-1, 1]."""

    symbol: np.ndarray
    time: np.ndarray
    value: np.ndarray

    def on(self, grid: Grid) -> np.ndarray:
        """(time, symbol), 0 where there is none."""
        dense = np.zeros(grid.has.shape)
        dense[np.searchsorted(grid.time, self.time), self.symbol] = np.nan_to_num(self.value, nan=0.0)
        return dense


@dataclass(frozen=True)
class Ledger:
    """One row a bar, marked at its close.

    `net` = `gross` - `cost`, fractions of the equity at the close before; `turnover`: Σ|change of weight| from drifted
    weights. `contribution`: per symbol, the sum of its gross returns. `n_trades`: changes of a symbol's signal.
    """

    time: np.ndarray
    gross: np.ndarray
    cost: np.ndarray
    net: np.ndarray
    turnover: np.ndarray
    equity: np.ndarray
    contribution: np.ndarray
    n_trades: int
    ruined: bool = False


@dataclass(frozen=True)
class Backtest:
    """How signals become positions and what they cost; basis points per side, borrow and cash per year."""

    execution: str = "next_open"
    commission_bps: float = 1.0
    slippage_bps: float = 4.0
    borrow_bps: float = 50.0
    weighting: str = "equal"
    max_gross: float = 1.0
    cash_rate: float = 0.0
    volatility_window: int = field(default=20)

    def __post_init__(self) -> None:
        for name, allowed in (("execution", EXECUTIONS), ("weighting", WEIGHTINGS)):
            value = getattr(self, name)
            require(value in allowed, f"backtest.{name}={value}: must be one of {', '.join(allowed)}")
        for name in ("commission_bps", "slippage_bps", "borrow_bps", "cash_rate"):
            require(getattr(self, name) >= 0, f"backtest.{name}={getattr(self, name)}: must be 0 or more")
        require(self.max_gross > 0, f"backtest.max_gross={self.max_gross}: must be above 0; 1 is no leverage")

    def run(self, grid: Grid, signals: Signals, periods_per_year: float, delay: int = 0) -> Ledger:
        """Trade `signals` from the first to the last of their times; `delay` moves each one so many bars later."""
        dense = signals.on(grid)
        target = orders(grid, weigh(grid, dense, self), delay)
        first, last = np.searchsorted(grid.time, [signals.time.min(), signals.time.max()])
        target[: first + 1] = np.nan  # nothing is known before the first signal's close
        return self.trade(grid, target, slice(first, last + 1), periods_per_year, trades(orders(grid, dense, delay)))

    def trade(self, grid: Grid, target: np.ndarray, span: slice, per_year: float, n_trades: int) -> Ledger:
        """The loop: drift to the execution price, trade to the target, drift to the close, pay."""
        to_price, to_close = drifts(grid, self.execution)
        gone = delisted(grid)
        cost_rate = (self.commission_bps + self.slippage_bps) * BPS
        borrow, interest = self.borrow_bps * BPS / per_year, self.cash_rate / per_year
        n = span.stop - span.start
        net, cost, turnover, equity = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n)
        value, cash, worth = np.zeros(len(grid.symbols)), 1.0, 1.0
        contribution = np.zeros(len(grid.symbols))
        for i, t in enumerate(range(span.start, span.stop)):
            moved = value * to_price[t]
            account = cash + moved.sum()
            order = target[t]
            wanted = np.where(np.isnan(order), moved, order * account)
            change = wanted - moved
            volume = np.abs(change).sum()
            paid = cost_rate * volume + borrow * -np.minimum(wanted, 0.0).sum()
            cash = (cash - change.sum()) * (1.0 + interest) - paid
            after = wanted * to_close[t]
            contribution += ((moved - value) + (after - wanted)) / worth
            if gone[t] is not None:
                left = np.abs(after[gone[t]]).sum()
                cash += after[gone[t]].sum() - cost_rate * left
                paid, volume = paid + cost_rate * left, volume + left
                after[gone[t]] = 0.0
            value, now = after, cash + after.sum()
            if now <= 0.0:
                net[i], equity[i:], cost[i] = -1.0, 0.0, paid / worth
                return self._ledger(grid, span, net, cost, turnover, equity, contribution, n_trades, ruined=True)
            net[i], cost[i], turnover[i], equity[i] = now / worth - 1.0, paid / worth, volume / account, now
            worth = now
        return self._ledger(grid, span, net, cost, turnover, equity, contribution, n_trades)

    def _ledger(self, grid, span, net, cost, turnover, equity, contribution, n_trades, ruined=False) -> Ledger:  # type: ignore[no-untyped-def]
        return Ledger(grid.time[span], net + cost, cost, net, turnover, equity, contribution, n_trades, ruined)


def orders(grid: Grid, wanted: np.ndarray, delay: int) -> np.ndarray:
    """What is traded at each bar: what was `wanted` 1 + `delay` of the symbol's own bars before; NaN is no order."""
    out = np.full(wanted.shape, np.nan)
    for s in range(wanted.shape[1]):
        rows = np.flatnonzero(grid.has[:, s])
        out[rows[1 + delay :], s] = wanted[rows[: len(rows) - 1 - delay], s]
    return out


def trades(ordered: np.ndarray) -> int:
    """How often a symbol's ordered signal changes, from flat on."""
    count = 0
    for column in ordered.T:
        known = column[~np.isnan(column)]
        count += int(np.count_nonzero(np.diff(known, prepend=0.0)))
    return count


def drifts(grid: Grid, execution: str) -> tuple[np.ndarray, np.ndarray]:
    """Price ratios from the close before to the execution price, and from there to the close; 1 without a bar."""
    price = grid.open if execution == "next_open" else grid.close
    with np.errstate(invalid="ignore"):
        to_price, to_close = price / grid.before, grid.close / price
    known = grid.has & np.isfinite(to_price)
    return np.where(known, to_price, 1.0), np.where(grid.has, to_close, 1.0)


def delisted(grid: Grid) -> list[np.ndarray | None]:
    """Per time, the symbols whose last bar it is although the market goes on: closed out at that close."""
    n = len(grid.time)
    last = n - 1 - grid.has[::-1].argmax(axis=0)
    out: list[np.ndarray | None] = [None] * n
    for t in np.unique(last[last < n - 1]):
        out[t] = np.flatnonzero(last == t)
    return out
