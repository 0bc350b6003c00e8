"""The ledger: signals traded bar by bar, after costs, on one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated

import numpy as np

from barwise.backtest.account import Account, Terms
from barwise.backtest.contracts import contract_prices, rolls_of
from barwise.backtest.costs import borrow_by_symbol
from barwise.backtest.exits import Ended, Evening, Exits
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.orders import capped, filled, trades
from barwise.backtest.positions import Positions
from barwise.backtest.stretch import carry
from barwise.backtest.weights import WEIGHTINGS, weigh
from barwise.console.settings import Is, Number, OneOf, WideWindow, check_fields, check_value
from barwise.data.bars import Bars
from barwise.errors import ConfigError

if TYPE_CHECKING:
    from barwise.backtest.costs import Costs
    from barwise.portfolio.context import Context
    from barwise.portfolio.portfolio import Portfolio

EXECUTIONS = ("next_open", "next_close")
BPS = 1e-4
ROUNDED = 1e-14  # a return of less is what rounding left of none


@dataclass(frozen=True)
class Ledger:
    """One row a bar, marked at its close.

    `net` = `gross` - `cost`, fractions of the equity at the close before; `borrow` is the part of `cost` paid on
    shorts. `turnover`: Σ|change of weight| from drifted weights. `exposure`: Σ|weight| at the close. `contribution`:
    per symbol, the sum of its gross returns. `n_trades`: changes of a symbol's signal, closings at a symbol's last bar
    included. `risk_free`: what idle cash earns a bar. `ruined`: the equity was lost; nothing is traded from there on.
    Where they were asked for: `positions` (bar, symbol), shares of the equity at each close, as held after the bar's
    trades and before what ends there is closed; `held`, the same with what it earned and cost. `cash_flow`: declared
    flows of a bar, such as dividends or funding, that are part of `gross`; fractions of the equity at the close before.
    `fills` (bar, symbol): the price at which a position ended inside the bar, NaN where none did.
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
    fills: np.ndarray | None = None

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
    `portfolio`: in place of equal weights. `keep_positions`: the ledger holds them. `borrow_bps` may be a column of the
    source, or rates by symbol, with `default` for the others. `dividends`: a column of cash a share, of prices that are
    not adjusted for it, paid on a bar to who held the symbol at the close before. `exits`: what ends positions inside
    bars. `funding`: a column of the source, the rate over its value that a long position pays, and a short one gets, at
    a bar's close; of that bar and not a year's; 0 or NaN for none. Settings out of range raise `ConfigError`.
    """

    execution: Annotated[str, OneOf(EXECUTIONS)] = "next_open"
    commission_bps: Annotated[float, Number(0, 1000)] = 1.0
    slippage_bps: Annotated[float, Number(0, 1000)] = 4.0
    borrow_bps: (
        Annotated[float, Number(0, 100_000)]
        | Annotated[str, Is((str,), "a column")]
        | Annotated[Mapping[str, float], Is((Mapping,), "rates by symbol")]
    ) = 50.0
    weighting: Annotated[str, OneOf(WEIGHTINGS)] = "equal"
    max_gross: Annotated[float, Number(0, 100, above=True)] = 1.0
    cash_rate: Annotated[float, Number(0, 1)] = 0.0
    volatility_window: WideWindow = 20
    delisting_return: Annotated[float, Number(-1, 10)] = 0.0
    capital: Annotated[float, Number(0, 1e15, above=True)] = 1_000_000.0
    costs: Costs | None = None
    portfolio: Portfolio | None = None
    keep_positions: bool = False
    dividends: Annotated[str, Is((str,), "a column")] | None = None
    exits: Exits | None = None
    funding: Annotated[str, Is((str,), "a column")] | None = None

    def __post_init__(self) -> None:
        check_fields(self, "backtest")
        rates = self.borrow_bps if isinstance(self.borrow_bps, Mapping) else {}
        for name, rate in rates.items():
            check_value(f"backtest.borrow_bps.{name}", rate, Number(0, 100_000))

    def run(self, grid: Grid, signals: Signals, periods_per_year: float, delay: int = 0) -> Ledger:
        """Trade `signals` from the first to the last of their times; `delay` moves each one so many bars later."""
        signal, span = signals.on(grid), signals.span(grid)
        if self.portfolio is None or self.plain:
            return self.run_dense(grid, signal, span, periods_per_year, delay)
        weights = self.decided(grid, signals, periods_per_year)
        direction = np.where(np.isnan(weights), np.nan, np.sign(weights))
        return self._run_weights(grid, weights, direction, span, periods_per_year, delay)

    def decided(self, grid: Grid, signals: Signals, periods_per_year: float) -> np.ndarray:
        """Weights (time, symbol) decided at each row's close; NaN where there is no order."""
        signal = signals.on(grid)
        if self.portfolio is None or self.plain:
            return weigh(grid, signal, self)
        return self.portfolio.weights(self._context(grid, signal, signals, periods_per_year), self.max_gross)

    @property
    def plain(self) -> bool:
        """Whether weights are those of the signals alone."""
        return self.portfolio is None or self.portfolio.plain

    def trading(
        self, portfolio: Portfolio | None = None, costs: Costs | None = None, exits: Exits | None = None
    ) -> Backtest:
        """The same with another portfolio, cost model and exits."""
        return replace(self, portfolio=portfolio, costs=costs, exits=exits)

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
        count = trades(grid, grid.later(signal, 1 + delay), span, self.execution) if self.exits is None else 0
        target = grid.later(weights, 1 + delay)
        target[: span[0] + 1] = np.nan  # nothing is known before the close of the first signal's bar
        if self.execution == "next_close":
            for row, ended in grid.gone.items():
                target[row, ended] = 0.0  # the position ends at this close: nothing new is opened at it
        if self.exits is None:
            ledger = self.trade(grid, target, span, periods_per_year, count)
        else:
            after = self.exits.on(grid, target, self.execution, 1 + delay)
            ledger = self.trade(grid, after.target, span, periods_per_year, after.moves(*span), after)
        if ledger.held is not None:
            ledger.held.decided[:] = weights[span[0] : span[1] + 1]
        return ledger

    def trade(
        self, grid: Grid, target: np.ndarray, span: tuple[int, int], periods_per_year: float, n_trades: int,
        ended: Ended | None = None,
    ) -> Ledger:  # fmt: skip
        """Drift to the execution price, trade to the target weights, drift to the close, pay; bar by bar.

        `target`: (time, symbol), shares of the equity at the execution price before costs; NaN is no order. Where
        positions that cannot be traded (no bar) leave too little room below `max_gross`, orders are scaled down.
        """
        rows = slice(span[0], span[1] + 1)
        account = Account(self._terms(grid, target, periods_per_year, ended), span, self._kept(grid, span, ended))
        carry(account)
        kept = account.kept
        return Ledger(
            grid.time[rows], account.net + account.cost, account.cost, account.net, account.turnover, account.equity,
            account.contribution, n_trades, account.ruined, account.borrow, account.exposure, account.terms.interest,
            kept.closing if kept else None, kept, None if account.terms.funding is None else account.flow,
            None if ended is None else ended.fill[rows],
        )  # fmt: skip

    @property
    def intrabar(self) -> bool:
        """Whether positions may end inside a bar."""
        return self.exits is not None

    def _terms(self, grid: Grid, target: np.ndarray, periods_per_year: float, ended: Ended | None) -> Terms:
        prices = None
        flat = self.borrow_bps if isinstance(self.borrow_bps, int | float) else 0.0
        by_symbol = None
        if not isinstance(self.borrow_bps, int | float):
            by_symbol = borrow_by_symbol(grid, self.borrow_bps) * BPS / periods_per_year
        if self.costs is not None:
            settings = (self.execution, self.commission_bps, self.slippage_bps, self.capital)
            prices = self.costs.on(grid, *settings)
        if ended is not None and prices is not None and prices.most is not None:
            raise ConfigError(
                "exits, portfolio.flat_overnight: sell all at once, whatever the volume; set costs.participation=null"
            )
        drifts, ends, gone = grid.drift(self.execution, self.dividends), grid.gone, grid.gone
        if ended is not None:
            drifts, ends, gone = filled(grid, self.execution, ended.fill, drifts)
        prices = contract_prices(grid, self.execution, prices, self.commission_bps, self.slippage_bps)
        return Terms(
            grid, capped(target, self.max_gross), *drifts, self.max_gross,
            (self.commission_bps + self.slippage_bps) * BPS, flat * BPS / periods_per_year,
            self.cash_rate / periods_per_year, prices, self.delisting_return, ends, gone,
            None if self.funding is None else funding_rates(grid, self.funding),
            rolls=rolls_of(grid), at_open=self.execution == "next_open", lent_by=by_symbol,
        )  # fmt: skip

    def _kept(self, grid: Grid, span: tuple[int, int], ended: Ended | None) -> Positions | None:
        if not self.keep_positions:
            return None
        return replace(Positions.empty(grid, span, self.funding is not None), ended=ended)


def check_columns(backtest: object, bars: Sequence[Bars]) -> None:
    """ConfigError where no symbol has a column that the backtest reads."""
    there = sorted({name for b in bars for name in b.extra})
    if isinstance(backtest, Backtest) and isinstance(backtest.exits, Evening) and "session_left" not in there:
        raise ConfigError(
            "portfolio.flat_overnight=true: needs the sessions of a calendar; set data.calendar=XNYS, or 24/7"
        )
    for setting in ("dividends", "funding"):
        name = getattr(backtest, setting) if isinstance(backtest, Backtest) else None
        if name is not None and name not in there:
            told = ", ".join(there) or "no further columns"
            raise ConfigError(f"backtest.{setting}={name}: the bars have {told}; name one of the source's columns")


def funding_rates(grid: Grid, column: str) -> np.ndarray:
    """(time, symbol): what a position pays at each bar's close over its value; 0 where the column has none."""
    grid.known(column, "backtest.funding")
    found: np.ndarray = np.nan_to_num(grid.column(column))
    return found
