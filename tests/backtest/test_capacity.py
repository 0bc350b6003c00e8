"""Capacity: the curve is the ledger's own at each capital, half is where costs say, sales take what volume allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from barwise.backtest.capacity import capacity
from barwise.backtest.costs import Impact, Spread
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.portfolio.portfolio import Portfolio
from barwise.runs.measures import capacity_line
from tests.backtest.markets import market, signals


def earning(participation: float | None = None, **settings):
    """Bars, and signals that know the next bar, so that there is a gross return for costs to eat."""
    bars = market(2, 4, 200, gaps=0.0)
    grid = Grid.build(bars)
    rows, columns = np.nonzero(grid.has[:-2])
    value = np.sign(grid.open[rows + 2, columns] / grid.open[rows + 1, columns] - 1)
    rules = Backtest(
        borrow_bps=0, capital=1e6, costs=Impact(participation=participation), keep_positions=True, **settings
    )
    return grid, rules, Signals(columns, grid.time[rows], value)


@pytest.mark.parametrize("portfolio", [None, Portfolio(hold=3, max_turnover=0.5)])
def test_the_curve_is_the_ledgers_at_each_capital(portfolio):
    grid, rules, given = earning(0.05, portfolio=portfolio)
    book = rules.run(grid, given, 252)
    found = capacity(grid, rules, book, given, 252)
    assert found["capital"][4] == 1e6 and found["capital"] == sorted(found["capital"])
    for i in (0, 4, 9):
        own = replace(rules, capital=found["capital"][i]).run(grid, given, 252)
        assert found["cost_share"][i] == pytest.approx(own.cost.sum() / own.gross.sum(), rel=1e-12)
        assert found["annual_return"][i] == pytest.approx(own.equity[-1] ** (252 / len(own.net)) - 1, rel=1e-9)


def test_half_is_where_the_square_root_says():
    grid, rules, given = earning()
    found = capacity(grid, rules, rules.run(grid, given, 252), given, 252)
    shares = np.array(found["cost_share"])
    assert (np.diff(shares) > 0).all() and shares[0] < 0.5 < shares[-1]
    at_half = replace(rules, capital=found["half"]).run(grid, given, 252)
    assert at_half.cost.sum() / at_half.gross.sum() == pytest.approx(0.5, abs=0.03)
    assert "costs eat half of the gross return at a capital of" in capacity_line(found)


def test_days_to_liquidate_are_those_that_volume_allows():
    bars = [replace(b, volume=np.full(len(b), 1e4) / b.open) for b in market(2, 2, 60, gaps=0.0)]  # of 10,000 a bar
    grid = Grid.build(bars)
    rules = Backtest(costs=Impact(participation=0.1), capital=1e5, keep_positions=True)
    given = Signals(np.zeros(60, int), grid.time, np.ones(60))
    book = rules.run(grid, given, 252)
    found = capacity(grid, rules, book, given, 252)
    held = book.held.weight[:, 0] * np.append(1.0, book.equity[:-1]) * 1e5
    assert found["days_to_liquidate_worst"] == pytest.approx((0.95 * held / 1000).max(), rel=1e-3)


@pytest.mark.parametrize("costs", [None, Spread()])
def test_costs_without_volume_have_none(costs):
    grid, rules, given = earning()
    rules = replace(rules, costs=costs)
    assert capacity(grid, rules, rules.run(grid, given, 252), given, 252) is None


def test_what_loses_before_costs_has_no_half():
    grid, rules, given = earning()
    worse = Signals(given.symbol, given.time, -given.value)
    found = capacity(grid, rules, rules.run(grid, worse, 252), worse, 252)
    assert found["half"] is None and "no gross return for costs to eat" in capacity_line(found)
    bars = market(0, 2, 60)
    grid = Grid.build(bars)
    largest = replace(rules, capital=1e15)
    assert (
        capacity(grid, largest, largest.run(grid, signals(0, bars), 252), signals(0, bars), 252)["capital"][-1] == 1e15
    )
