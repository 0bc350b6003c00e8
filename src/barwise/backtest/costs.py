"""What a change of weight costs: flat, by the spread of the source, or by the share of a bar's volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np

from barwise.backtest.grid import Grid
from barwise.console.settings import Number, WideWindow, check_fields
from barwise.errors import ConfigError

BPS = 1e-4


@dataclass(frozen=True)
class Prices:
    """What trading costs on one grid, from a cost model: arrays (time, symbol) that the ledger reads row by row.

    `rate`: cost over the value traded. `impact`: times √(value traded / `volume`), a further cost over the value
    traded. `most`: the value that can be traded; `volume`: the value of the bar's volume; both as shares of the capital
    at the start. `least`: of a trade, whatever its size, as a share of it. `up`, `down`: a further rate for what is
    bought and for what is sold, such as that of ticks. None: there is no such part.
    """

    rate: np.ndarray
    impact: np.ndarray | None = None
    volume: np.ndarray | None = None
    most: np.ndarray | None = None
    least: float = 0.0
    up: np.ndarray | None = None
    down: np.ndarray | None = None

    def room(self, row: int, change: np.ndarray) -> np.ndarray:
        """`change` (symbol,) of values cut to what can be traded at the row."""
        return change if self.most is None else np.clip(change, -self.most[row], self.most[row])

    def paid(self, row: int, change: np.ndarray) -> float:
        """The cost of changing values by `change` (symbol,) at the row."""
        return float(self.each(row, change).sum())

    def each(self, row: int | slice, change: np.ndarray) -> np.ndarray:
        """The same by symbol."""
        size = np.abs(change)
        cost = self.rate[row] * size
        if self.impact is not None and self.volume is not None:
            share = np.divide(size, self.volume[row], out=np.zeros_like(size), where=self.volume[row] > 0)
            cost = cost + self.impact[row] * np.sqrt(share) * size
        if self.up is not None and self.down is not None:
            cost = cost + np.where(change > 0, self.up[row], self.down[row]) * size
        if self.least:
            return np.where(size > 0, np.maximum(cost, self.least), 0.0)
        return np.asarray(cost)


class Costs(Protocol):
    """A cost model: prices of trading on a grid. `commission_bps` and `slippage_bps` are the backtest's, per side."""

    def on(self, grid: Grid, execution: str, commission_bps: float, slippage_bps: float, capital: float) -> Prices: ...


@dataclass(frozen=True)
class Spread:
    """Half of the source's bid-ask spread in place of the slippage, and the commission.

    The spread is the last one known when the order is filled: of the bar before for `next_open`, of the bar itself for
    `next_close`. Where the source has none, `slippage_bps` stands in. `minimum_commission`: per trade, in the currency
    of the capital.
    """

    minimum_commission: Annotated[float, Number(0, 10_000)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "costs")

    def on(self, grid: Grid, execution: str, commission_bps: float, slippage_bps: float, capital: float) -> Prices:
        rate = commission_bps * BPS + half_spread(grid, execution, slippage_bps)
        return Prices(rate, least=self.minimum_commission / capital)


@dataclass(frozen=True)
class Impact:
    """The square root law: trading a share q of a bar's volume moves the price by `coefficient` × σ × √q.

    σ: standard deviation of the symbol's last `window` returns before the bar. The flat slippage, or half of the spread
    where the source has one, is paid too. `participation`: the largest share of a bar's volume that is traded; what is
    left is traded later; null for no limit. Source: Almgren, Thum, Hauptmann and Li (2005), Direct Estimation of Equity
    Market Impact; Tóth et al. (2011), Physical Review X 1, 021006.
    """

    coefficient: Annotated[float, Number(0, 1000)] = 1.0
    participation: Annotated[float, Number(0, 1, above=True)] | None = 0.1
    window: WideWindow = 20
    minimum_commission: Annotated[float, Number(0, 10_000)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "costs")

    def on(self, grid: Grid, execution: str, commission_bps: float, slippage_bps: float, capital: float) -> Prices:
        from barwise.portfolio.rules import past_deviation

        price = grid.open if execution == "next_open" else grid.close
        volume = np.nan_to_num(grid.column("volume") * price) / capital
        if not (volume > 0).any():
            raise ConfigError("costs=impact: the bars have no volume; costs=flat needs none")
        returns = np.where(grid.has, grid.close / grid.before - 1.0, np.nan)
        before = np.nan_to_num(grid.later(past_deviation(returns, grid.has, self.window), 1))
        rate = commission_bps * BPS + half_spread(grid, execution, slippage_bps)
        most = None if self.participation is None else self.participation * volume
        return Prices(rate, self.coefficient * before, volume, most, self.minimum_commission / capital)


def borrow_by_symbol(grid: Grid, rates: str | Mapping[str, float]) -> np.ndarray:
    """(time, symbol): what a short costs a year in basis points, of a column of the source or a mapping.

    A column holds until its next value, its first also before. A mapping names symbols, and `default` for the others.
    ConfigError for a column that is not there, and for symbols without a rate.
    """
    if isinstance(rates, str):
        grid.known(rates, "backtest.borrow_bps")
        found = grid.column(rates)
        for s, values in enumerate(found.T):
            rows = np.flatnonzero(np.isfinite(values))
            if len(rows):
                place = np.searchsorted(rows, np.arange(len(values)), side="right") - 1
                found[:, s] = values[rows[np.maximum(place, 0)]]
        lacking = [name for name, known in zip(grid.symbols, np.isfinite(found).all(axis=0), strict=True) if not known]
        remedy = "give it values, or rates by symbol"
    else:
        unknown = sorted(set(map(str, rates)) - {*grid.symbols, "default"})
        if unknown:
            raise ConfigError(f"backtest.borrow_bps.{unknown[0]}: there is no such symbol; name those of the bars")
        lacking = [name for name in grid.symbols if name not in rates and "default" not in rates]
        row = [float(rates.get(name, rates.get("default", np.nan))) for name in grid.symbols]
        found = np.broadcast_to(np.array(row), grid.has.shape)
        remedy = "add it, or backtest.borrow_bps.default"
    if lacking:
        raise ConfigError(f"backtest.borrow_bps: has no rate for {lacking[0]}; {remedy}")
    if (found < 0).any():
        raise ConfigError(f"backtest.borrow_bps={rates}: has rates below 0; a short pays what is 0 or more")
    return found


def half_spread(grid: Grid, execution: str, otherwise_bps: float) -> np.ndarray:
    """(time, symbol): half of ask less bid over their mean, as known when the order is filled; else `otherwise_bps`."""
    rate = np.full(grid.has.shape, otherwise_bps * BPS)
    if not all({"bid", "ask"} <= set(b.extra) for b in grid.bars):
        return rate
    bid, ask = grid.column("bid"), grid.column("ask")
    with np.errstate(invalid="ignore", divide="ignore"):
        half = (ask - bid) / (ask + bid)
    half = grid.later(half, 1) if execution == "next_open" else half
    return np.where(np.isfinite(half) & (half >= 0), half, rate)
