"""The ledger: signals traded bar by bar, after costs, on one account."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.positions import Positions
from barwise.backtest.weights import WEIGHTINGS, weigh
from barwise.console.settings import Number, OneOf, WideWindow, check_fields

if TYPE_CHECKING:
    from barwise.backtest.costs import Costs
    from barwise.portfolio.context import Context
    from barwise.portfolio.portfolio import Portfolio

EXECUTIONS = ("next_open", "next_close")
BPS = 1e-4
ROUNDED = 1e-14  # a return of less is what rounding left of none
ROUNDING = 1.0 + 1e-9  # a gross exposure above its cap by less is not above it


@dataclass(frozen=True)
class Ledger:
    """One row a bar, marked at its close.

    `net` = `gross` - `cost`, fractions of the equity at the close before; `borrow` is the part of `cost` paid on
    shorts. `turnover`: Σ|change of weight| from drifted weights. `exposure`: Σ|weight| at the close. `contribution`:
    per symbol, the sum of its gross returns. `n_trades`: changes of a symbol's signal, closings at a symbol's last bar
    included. `risk_free`: what idle cash earns a bar. `ruined`: the equity was lost; nothing is traded from there on.
    Where they were asked for: `positions` (bar, symbol), shares of the equity at each close, as held after the bar's
    trades and before what ends there is closed; `held`, the same with what it earned and cost. `cash_flow`: declared
    flows of a bar, such as dividends, that are part of `gross`; fractions of the equity at the close before.
    """

    time: np.ndarray
    gross: np.ndarray
    cost: np.ndarray
    net: np.ndarray
    turnover: np.ndarray
    equity: np.ndarray
    contribution: np.ndarray
    n_trades: int
    ruined: bool
    borrow: np.ndarray
    exposure: np.ndarray
    risk_free: float = 0.0
    positions: np.ndarray | None = None
    held: Positions | None = None
    cash_flow: np.ndarray | None = None

    @property
    def excess(self) -> np.ndarray:
        """Net returns above what idle cash earns: what the Sharpe ratio is made of; exactly 0 where all was cash."""
        above = self.net - self.risk_free
        return np.where(np.abs(above) < ROUNDED, 0.0, above) if self.risk_free else above


@dataclass(frozen=True)
class Backtest:
    """How signals become positions and what they cost; basis points per side, borrow and cash rate a year.

    A signal of bar t is traded at the symbol's own next bar, at its open or close, to a share of the equity before
    costs. `weighting` volatility brings symbols to like risk by the last `volatility_window` bars. `delisting_return`:
    what a position earns once more at a symbol's last bar, as long as the market goes on. `capital`: the account at the
    start, in the currency of the prices, for costs that know volume. `costs`: a model in place of the flat costs;
    `portfolio`: in place of equal weights. `keep_positions`: the ledger holds them. Settings out of range raise
    `ConfigError`.
    """

    execution: Annotated[str, OneOf(EXECUTIONS)] = "next_open"
    commission_bps: Annotated[float, Number(0, 1000)] = 1.0
    slippage_bps: Annotated[float, Number(0, 1000)] = 4.0
    borrow_bps: Annotated[float, Number(0, 100_000)] = 50.0
    weighting: Annotated[str, OneOf(WEIGHTINGS)] = "equal"
    max_gross: Annotated[float, Number(0, 100, above=True)] = 1.0
    cash_rate: Annotated[float, Number(0, 1)] = 0.0
    volatility_window: WideWindow = 20
    delisting_return: Annotated[float, Number(-1, 10)] = 0.0
    capital: Annotated[float, Number(0, 1e15, above=True)] = 1_000_000.0
    costs: Costs | None = None
    portfolio: Portfolio | None = None
    keep_positions: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "backtest")

    def run(self, grid: Grid, signals: Signals, periods_per_year: float, delay: int = 0) -> Ledger:
        """Trade `signals` from the first to the last of their times; `delay` moves each one so many bars later."""
        signal, span = signals.on(grid), signals.span(grid)
        if self.portfolio is None or self.portfolio.plain:
            return self.run_dense(grid, signal, span, periods_per_year, delay)
        weights = self.portfolio.weights(self._context(grid, signal, signals, periods_per_year), self.max_gross)
        direction = np.where(np.isnan(weights), np.nan, np.sign(weights))
        return self._run_weights(grid, weights, direction, span, periods_per_year, delay)

    def trading(self, portfolio: Portfolio | None = None, costs: Costs | None = None) -> Backtest:
        """The same with another portfolio and cost model."""
        return replace(self, portfolio=portfolio, costs=costs)

    def _context(self, grid: Grid, signal: np.ndarray, signals: Signals, periods_per_year: float) -> Context:
        from barwise.portfolio.context import Context

        with np.errstate(invalid="ignore"):
            returns = np.where(grid.has, grid.close / grid.before - 1.0, np.nan)
        score = signals.scores_on(grid) if self.portfolio and self.portfolio.reads_scores else signal
        return Context(
            grid.time, grid.symbols, score, signal, grid.has, grid.inside, returns, np.zeros(len(grid.symbols)),
            periods_per_year, groups=grid.groups, columns=cache(grid.column), extra_names=grid.extra_names,
        )  # fmt: skip

    def run_dense(
        self, grid: Grid, signal: np.ndarray, span: tuple[int, int], periods_per_year: float, delay: int = 0
    ) -> Ledger:
        """The same for signals (time, symbol), made at the rows from the first to the last of `span`."""
        return self._run_weights(grid, weigh(grid, signal, self), signal, span, periods_per_year, delay)

    def _run_weights(
        self, grid: Grid, weights: np.ndarray, signal: np.ndarray, span: tuple[int, int], periods_per_year: float,
        delay: int,
    ) -> Ledger:  # fmt: skip
        """Trade `weights` decided at each row's close; `signal` is what a change of counts as a trade."""
        target = grid.later(weights, 1 + delay)
        target[: span[0] + 1] = np.nan  # nothing is known before the close of the first signal's bar
        if self.execution == "next_close":
            for row, ended in grid.gone.items():
                target[row, ended] = 0.0  # the position ends at this close: nothing new is opened at it
        count = trades(grid, grid.later(signal, 1 + delay), span, self.execution)
        ledger = self.trade(grid, target, span, periods_per_year, count)
        if ledger.held is not None:
            ledger.held.decided[:] = weights[span[0] : span[1] + 1]
        return ledger

    def trade(
        self, grid: Grid, target: np.ndarray, span: tuple[int, int], periods_per_year: float, n_trades: int
    ) -> Ledger:
        """Drift to the execution price, trade to the target weights, drift to the close, pay; bar by bar.

        `target`: (time, symbol), shares of the equity at the execution price before costs; NaN is no order. Where
        positions that cannot be traded (no bar) leave too little room below `max_gross`, orders are scaled down.
        """
        to_price, to_close = grid.drifts[self.execution]
        prices = None
        if self.costs is not None:
            settings = (self.execution, self.commission_bps, self.slippage_bps, self.capital)
            prices = self.costs.on(grid, *settings)
        rate = (self.commission_bps + self.slippage_bps) * BPS
        lending, interest = self.borrow_bps * BPS / periods_per_year, self.cash_rate / periods_per_year
        first, last = span
        target, bought_by = capped(target, self.max_gross)
        net, cost, borrow, turnover, equity, exposure = np.zeros((6, last + 1 - first))
        value, contribution = np.zeros((2, len(grid.symbols)))
        kept = Positions.empty(grid, span) if self.keep_positions else None
        columns = np.arange(len(grid.symbols))
        cash = worth = 1.0
        ruined = False
        waiting: np.ndarray | None = None
        total = np.add.reduce
        for i, t in enumerate(range(first, last + 1)):
            moved = value * to_price[t]
            held = float(total(moved))
            account = cash + held
            ruined = account <= 0.0
            order = target[t] if waiting is None else np.where(np.isnan(target[t]), waiting, target[t])
            if ruined:
                wanted, bought = moved, held
            elif bought_by[t] == bought_by[t]:  # no NaN: an order for every symbol
                wanted, bought = target[t] * account, bought_by[t] * account
            else:
                wanted = within(order * account, moved, self.max_gross * account)
                bought = float(total(wanted))
            change = wanted - moved
            if prices is not None and prices.most is not None:
                change, asked = prices.room(t, change), change
                waiting = np.where(change == asked, np.nan, order)  # what is left is traded later
                wanted = moved + change
                bought = float(total(wanted))
            volume = float(total(np.abs(change)))
            lent = lending * 0.5 * max(0.0, float(total(np.abs(wanted))) - bought) if lending else 0.0
            paid = (rate * volume if prices is None else prices.paid(t, change)) + lent
            cash = (account - bought) * (1.0 + interest) - paid
            after = wanted * to_close[t]
            contribution += (after - value - change) / worth
            if kept is not None:
                size = np.abs(change)
                fees = (rate * size if prices is None else prices.each(t, change)) + lending * np.maximum(-wanted, 0.0)
                share = account if account > 0.0 else 1.0
                kept.note(
                    i, weight=wanted / share, before=(moved - value) / worth, after=(after - wanted) / worth,
                    cost=fees / worth, traded=size / share,
                )  # fmt: skip
            value, now = after, cash + float(total(after))
            if kept is not None and now > 0.0:
                kept.closing[i] = after / now
            traded = volume / account if account > 0.0 else 0.0
            if t in grid.gone and now > 0.0:
                ended = grid.gone[t]
                if self.delisting_return:
                    lost = value[ended] * self.delisting_return
                    value[ended] += lost
                    contribution[ended] += lost / worth
                    if kept is not None:
                        kept.after[i, ended] += lost / worth
                    now += float(total(lost))
                left = total(np.abs(value[ended]))
                sold = np.where(np.isin(columns, ended), value, 0.0)
                fee = rate * left if prices is None else prices.paid(t, sold)
                if kept is not None:
                    kept.cost[i] += (rate * np.abs(sold) if prices is None else prices.each(t, sold)) / worth
                cash += total(value[ended]) - fee
                value[ended] = 0.0
                traded, paid, now = traded + left / now, paid + fee, now - fee
            cost[i], borrow[i], turnover[i] = paid / worth, lent / worth, traded
            ruined = ruined or now <= 0.0
            if ruined:
                net[i] = -1.0
                break
            net[i], equity[i], exposure[i] = now / worth - 1.0, now, total(np.abs(value)) / now
            worth = now
        rows = slice(first, last + 1)
        arrays = (grid.time[rows], net + cost, cost, net, turnover, equity, contribution)
        return Ledger(*arrays, n_trades, ruined, borrow, exposure, interest, kept.closing if kept else None, kept)


def capped(target: np.ndarray, most: float) -> tuple[np.ndarray, list[float]]:
    """Orders with each row (of a time) scaled down whose Σ|weight| is above `most`, and Σ weight of each row.

    A row that lacks an order is left as it is, and its sum is NaN.
    """
    gross = np.abs(target).sum(axis=1)
    above = gross > most * ROUNDING
    if above.any():
        target = target * np.where(above, most / np.where(above, gross, 1.0), 1.0)[:, None]
    return target, target.sum(axis=1).tolist()


def within(wanted: np.ndarray, held: np.ndarray, most: float) -> np.ndarray:
    """Values wanted, or `held` where that is NaN; those wanted are scaled down until Σ|value| is at most `most`."""
    ordered = ~np.isnan(wanted)
    if not ordered.any():
        return held
    values = np.where(ordered, wanted, held)
    size = np.abs(values)
    gross = float(size.sum())
    if gross <= most * ROUNDING:
        return values
    fixed = float(size[~ordered].sum())
    scale = max(0.0, most - fixed) / max(gross - fixed, 1e-300)
    return np.where(ordered, values * min(scale, 1.0), values)


def trades(grid: Grid, ordered: np.ndarray, span: tuple[int, int], execution: str) -> int:
    """How often a symbol's ordered signal changes, from flat on, the closing at its last bar included."""
    first, last = span
    ordered = ordered[first : last + 1].copy()
    ordered[0] = np.nan
    closed = 0
    for row, ended in grid.gone.items():
        if first < row <= last:
            final = ordered[row - first, ended]
            if execution == "next_open":
                closed += int(np.count_nonzero(np.nan_to_num(final)))
            else:
                ordered[row - first, ended] = 0.0
    known = ~np.isnan(ordered)
    if known[1:].all():
        return closed + int(np.count_nonzero(np.diff(ordered[1:], axis=0, prepend=0.0)))
    last_known = np.maximum.accumulate(np.where(known, np.arange(len(ordered))[:, None], 0), axis=0)
    standing = np.nan_to_num(np.take_along_axis(ordered, last_known, axis=0))
    return closed + int(np.count_nonzero(np.diff(standing, axis=0)))


def is_number(value: Any) -> bool:
    """A finite int or float, no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
