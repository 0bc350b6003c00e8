"""Strategies on real and made bars, traded by our ledger, and told as plain data: bars, orders, what was held.


Prices are whole cents, which every engine knows. An order is traded at its row's open or close, or, where an exit
ends a position inside the bar, by a stop or limit order at `level`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barwise.backtest.costs import Impact
from barwise.backtest.exits import Stops
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data import sample, synthetic
from barwise.data.bars import Bars
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import deciles, proportional
from tests.backtest import markets

CAPITAL = 1e9  # so much that whole shares are as good as fractions
FREE = {"commission_bps": 0.0, "slippage_bps": 0.0, "borrow_bps": 0.0}
FLAT = {"commission_bps": 1.0, "slippage_bps": 4.0, "borrow_bps": 0.0}
PERCENT = 3.0  # of stops, and of targets


@dataclass(frozen=True)
class Scenario:
    """A strategy on bars, and the rules that it is traded by; `needs`: what an engine must know for it."""

    name: str
    bars: tuple[Bars, ...]
    signals: Signals
    rules: Backtest
    needs: frozenset[str] = frozenset()


def cents(bars: list[Bars] | tuple[Bars, ...], start: int = 0, end: int | None = None) -> tuple[Bars, ...]:
    """The bars with prices in whole cents and whole volumes."""
    found = []
    for b in bars:
        part = b.take(slice(start, end))
        open_, high, low, close = (np.round(getattr(part, n), 2) for n in ("open", "high", "low", "close"))
        high, low = np.maximum.reduce([open_, high, close]), np.minimum.reduce([open_, low, close])
        found.append(replace(part, open=open_, high=high, low=low, close=close, volume=np.round(part.volume)))
    return tuple(found)


def each(bars: tuple[Bars, ...], value: Any) -> Signals:
    """A signal for each bar: `value(bars of a symbol, its number)` as an array."""
    parts = [np.nan_to_num(np.broadcast_to(value(b, s), len(b)).astype(float)) for s, b in enumerate(bars)]
    symbol = np.concatenate([np.full(len(b), s) for s, b in enumerate(bars)])
    return Signals(symbol, np.concatenate([b.time for b in bars]), np.concatenate(parts))


def past(b: Bars, n: int) -> np.ndarray:
    """Returns of the last n bars, 0 before there are so many."""
    return np.append(np.zeros(n), b.close[n:] / b.close[:-n] - 1)


def flips(b: Bars, s: int) -> np.ndarray:
    return np.random.default_rng(s).choice([-1.0, 1.0], len(b))


def fractions(b: Bars, s: int) -> np.ndarray:
    return np.random.default_rng(s).uniform(-1, 1, len(b))


def runs_of(b: Bars, s: int) -> np.ndarray:
    """A side for eight bars, then two of none."""
    side = np.random.default_rng(s).choice([-1.0, 1.0], len(b) // 10 + 1)
    return (side[:, None] * np.append(np.ones(8), np.zeros(2))).ravel()[: len(b)]


def scenarios() -> Iterator[Scenario]:
    """All of them; the last bars of the sample are those of the crisis of 2008."""
    real = cents(sample.load(["AAPL", "IBM", "MSFT"], "2007-06-01", "2009-06-30").bars)
    one = real[:1]
    made = cents(markets.market(1, 4, 250, 0.0))
    wide = cents(synthetic.load(n_symbols=20, n_bars=160, seed=3).bars)
    free, flat = (Backtest(**x, keep_positions=True) for x in (FREE, FLAT))
    close = replace(flat, execution="next_close")
    monthly = Portfolio(rebalance="monthly")
    yield Scenario("long", real, each(real, lambda b, s: 1.0), flat)
    yield Scenario("long, one stock", one, each(one, lambda b, s: 1.0), flat)
    yield Scenario("short", real, each(real, lambda b, s: -1.0), flat)
    yield Scenario("short, one stock", one, each(one, lambda b, s: -1.0), flat)
    yield Scenario("flips", real, each(real, flips), flat)
    yield Scenario("flips, one stock", one, each(one, flips), flat)
    yield Scenario("flips without costs", real, each(real, flips), free)
    yield Scenario("flips at 25 bp", real, each(real, flips), replace(flat, slippage_bps=24.0))
    yield Scenario("fractions of a position", real, each(real, fractions), flat)
    yield Scenario("fractions, one stock", one, each(one, fractions), flat)
    yield Scenario("momentum of 60 bars", real, each(real, lambda b, s: np.sign(past(b, 60))), flat)
    yield Scenario("reversal of 5 bars", made, each(made, lambda b, s: -np.sign(past(b, 5))), flat)
    yield Scenario("at the close: long", real, each(real, lambda b, s: 1.0), close)
    yield Scenario("at the close: flips", real, each(real, flips), close)
    yield Scenario("at the close: flips, one stock", one, each(one, flips), close)
    yield Scenario("deciles", wide, each(wide, lambda b, s: past(b, 10)), replace(flat, portfolio=Portfolio(deciles)))
    yield Scenario("proportional", wide, each(wide, fractions), replace(flat, portfolio=Portfolio(proportional)))
    yield Scenario("held for 5 bars", made, each(made, flips), replace(flat, portfolio=Portfolio(hold=5)))
    yield Scenario("rebalanced monthly", real, each(real, flips), replace(flat, portfolio=monthly))
    yield Scenario("twice the capital", real, each(real, lambda b, s: 2 * flips(b, s)), replace(flat, max_gross=2.0))
    yield Scenario("like risk", real, each(real, flips), replace(flat, weighting="volatility"))
    yield Scenario("costs by volume", real, each(real, flips),
                   replace(flat, costs=Impact(participation=None), capital=CAPITAL), frozenset({"rates"}))  # fmt: skip
    yield Scenario("borrow on shorts", real, each(real, flips), replace(flat, borrow_bps=300.0), frozenset({"cash"}))
    rate = 1e-4 * np.random.default_rng(0).standard_normal(len(made[0]))
    paid = tuple(replace(b, extra={"rate": rate}) for b in made)
    yield Scenario("funding", paid, each(paid, flips), replace(flat, funding="rate"), frozenset({"cash"}))
    yield Scenario("stops and targets", made, each(made, runs_of),
                   replace(flat, exits=Stops(PERCENT, PERCENT, unit="percent")), frozenset({"stops"}))  # fmt: skip
    holes = cents(markets.market(6, 3, 200, 0.0))
    drop = np.random.default_rng(5).random(len(holes[1])) > 0.15
    drop[[0, -1]] = True
    gaps = (holes[0], holes[1].take(np.flatnonzero(drop)), holes[2])
    yield Scenario("gaps", gaps, each(gaps, flips), flat, frozenset({"gaps"}))
    late = (holes[0], holes[1].take(slice(80, None)), holes[2])
    yield Scenario("late start", late, each(late, flips), flat, frozenset({"gaps"}))
    gone = (holes[0], holes[1].take(slice(0, 120)), holes[2])
    yield Scenario("delisting", gone, each(gone, flips), free, frozenset({"gaps"}))


def case_of(one: Scenario) -> dict[str, Any]:
    """The scenario as plain data: bars, orders, what cash pays, and under `ours` what our ledger made of it.

    An order is [row, symbol, shares, kind, level, rate]: traded at the row's open or close, or as a stop or limit order
    at `level` within the row, at a cost of `rate` over its value.
    """
    grid = Grid.build(list(one.bars))
    ledger = one.rules.run(grid, one.signals, 252.0)
    assert ledger.held is not None
    held, first, n = ledger.held, ledger.held.first, len(ledger.net)
    rows = slice(first, first + n)
    kind = "close" if one.rules.execution == "next_close" else "open"
    price = (grid.close if kind == "close" else grid.open)[rows]
    worth = np.append(1.0, ledger.equity[:-1])[:, None]  # at the close before
    wanted = held.weight * worth * (1 + held.before.sum(axis=1, keepdims=True))  # once the row's orders are traded
    flat = (one.rules.commission_bps + one.rules.slippage_bps) / 1e4
    last = np.array([len(grid.time) - 1 - np.argmax(has[::-1]) for has in grid.has.T])
    ended = np.zeros_like(wanted, bool) if ledger.fills is None else ~np.isnan(ledger.fills)
    shares, closing = np.zeros(wanted.shape[1]), np.zeros(wanted.shape)
    orders: list[list[Any]] = []
    fills: list[list[Any]] = []
    entry = np.zeros(wanted.shape[1])
    for i in range(n):
        for s in np.flatnonzero(grid.has[first + i]):
            change = wanted[i, s] / price[i, s] * CAPITAL - shares[s]
            if abs(change) > 1e-3:
                rate = (
                    held.cost[i, s] * worth[i, 0] * CAPITAL / abs(change * price[i, s])
                    if one.needs & {"rates"}
                    else flat
                )
                orders.append([first + i, int(s), change, kind, 0.0, float(rate)])
                fills.append([first + i, int(s), change, float(price[i, s])])
                if shares[s] * (shares[s] + change) <= 0:
                    entry[s] = price[i, s]
                shares[s] += change
            if ended[i, s]:
                level, at = _level(one.rules, float(entry[s]), float(np.sign(shares[s])), float(ledger.fills[i, s]))
                orders.append([first + i, int(s), -shares[s], at, level, flat])
                fills.append([first + i, int(s), -shares[s], float(ledger.fills[i, s])])
                shares[s] = 0.0
            closing[i, s] = shares[s]
        closing[i] = np.where(grid.has[first + i], closing[i], shares)
    bars = [
        {"name": b.symbol, "rows": np.searchsorted(grid.time, b.time).tolist(),
         **{n: getattr(b, n).tolist() for n in ("open", "high", "low", "close", "volume")}}
        for b in one.bars
    ]  # fmt: skip
    funding = None if one.rules.funding is None else np.nan_to_num(grid.column(one.rules.funding)).tolist()
    borrow = one.rules.borrow_bps
    return {
        "name": one.name, "capital": CAPITAL, "first": first, "time": np.datetime_as_string(grid.time, "D").tolist(),
        "symbols": bars, "orders": orders, "rate": None if one.needs & {"rates"} else flat,
        "borrow": float(borrow) / 1e4 / 252.0 if isinstance(borrow, int | float) else 0.0, "at": kind,
        "funding": funding,
        "ours": {"equity": (ledger.equity * CAPITAL).tolist(), "positions": closing.tolist(), "fills": fills,
                 "cost": (ledger.cost * worth[:, 0] * CAPITAL).tolist(), "last": last.tolist()},
    }  # fmt: skip


def _level(rules: Backtest, entry: float, side: float, fill: float) -> tuple[float, str]:
    """The price and kind of the order that ended a position: a stop where it lost, else a limit order."""
    assert isinstance(rules.exits, Stops)
    lost = side * (fill - entry) < 0
    return entry * (1 - side * PERCENT / 100 * (1 if lost else -1)), "stop" if lost else "limit"
