"""Costs that know spread and volume, against plain loops; what a symbol's end costs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.audit.ledger import ledger_adds_up
from barwise.backtest.costs import Impact, Spread, half_spread
from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest, Ledger
from barwise.data.bars import Bars, Market
from barwise.data.synthetic import load
from barwise.errors import ConfigError
from barwise.experiment.facts import note_costs
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import proportional
from tests.backtest.markets import market, signals


def plain_loop(bars: list[Bars], grid: Grid, rules: Backtest, found: Ledger, target: np.ndarray) -> list[tuple]:
    """(cost, largest share of a bar's volume) of each bar at next_open, symbol by symbol; borrow and cash at 0."""
    costs, capital = rules.costs, rules.capital
    cash, held, rows, worth = 1.0, dict.fromkeys(grid.symbols, 0.0), [], 1.0
    waiting: dict[str, float] = {}
    for t in range(len(grid.time)):
        at = {b.symbol: int(np.searchsorted(b.time, grid.time[t])) for b in bars if grid.time[t] in b.time}
        for b in bars:
            if b.symbol in at and at[b.symbol] > 0:
                held[b.symbol] *= b.open[at[b.symbol]] / b.close[at[b.symbol] - 1]
        account, paid, share = cash + sum(held.values()), 0.0, 0.0
        for s, b in enumerate(bars):
            wanted = target[t, s] if np.isfinite(target[t, s]) else waiting.get(b.symbol)
            if wanted is None or b.symbol not in at:
                continue
            i = at[b.symbol]
            value = b.volume[i] * b.open[i] / capital
            ask = wanted * account - held[b.symbol]
            change = float(np.clip(ask, -costs.participation * value, costs.participation * value))
            waiting.pop(b.symbol, None)
            if change != ask:
                waiting[b.symbol] = wanted
            past = (b.close[1:] / b.close[:-1] - 1)[max(0, i - 1 - costs.window) : i - 1]
            sigma = past.std(ddof=1) if len(past) == costs.window else 0.0
            rate = (rules.commission_bps + rules.slippage_bps) / 1e4
            fee = abs(change) * (rate + costs.coefficient * sigma * np.sqrt(abs(change) / value if value else 0.0))
            paid += max(fee, costs.minimum_commission / capital) if change else 0.0
            share = max(share, abs(change) / value if value else 0.0)
            held[b.symbol] += change
            cash -= change
        cash -= paid
        for b in bars:
            if b.symbol in at:
                held[b.symbol] *= b.close[at[b.symbol]] / b.open[at[b.symbol]]
        rows.append((paid / worth, share))
        worth = cash + sum(held.values())
    return rows


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    capital=st.sampled_from([1e4, 1e8, 1e10]),
    participation=st.sampled_from([0.01, 0.1, 1.0]),
    minimum=st.sampled_from([0.0, 1.0]),
)
def test_impact_equals_a_plain_loop_and_never_exceeds_a_volume(seed, capital, participation, minimum):
    bars = market(seed, 3, 60, gaps=0.0)
    costs = Impact(1.0, participation, 5, minimum)
    rules = Backtest(borrow_bps=0, max_gross=100.0, capital=capital, costs=costs)
    grid = Grid.build(bars)
    target = np.full(grid.has.shape, np.nan)
    orders = np.random.default_rng(seed).random(grid.has.shape) < 0.3
    target[orders] = np.random.default_rng(seed + 1).uniform(-0.3, 0.3, orders.sum())
    target[0] = np.nan
    found = rules.trade(grid, target, (0, len(grid.time) - 1), 252, 0)
    rows = plain_loop(bars, grid, rules, found, target)
    np.testing.assert_allclose(found.cost, [cost for cost, _ in rows], rtol=0, atol=1e-12)
    assert max(share for _, share in rows) <= participation * (1 + 1e-12)


@pytest.mark.parametrize(
    "portfolio", [Portfolio(hold=5), Portfolio(hold=3, rebalance=4), Portfolio(proportional, 1, max_turnover=0.3)]
)
def test_tranches_and_rebalancing_stay_within_the_volume_and_catch_up(portfolio):
    bars = market(8, 4, 120, gaps=0.0)
    grid, given_signals = Grid.build(bars), signals(8, bars, "signs")
    free = {"commission_bps": 0, "slippage_bps": 0, "borrow_bps": 0, "keep_positions": True, "portfolio": portfolio}
    whole = Backtest(**free, capital=1.0, costs=Impact(0.0, None)).run(grid, given_signals, 252)
    value = np.array([[b.volume[t] * b.open[t] for b in bars] for t in range(120)])
    capital = float(np.median(value)) * 2  # a tenth of a bar's volume takes some bars
    cut = Backtest(**free, capital=capital, costs=Impact(0.0, 0.1)).run(grid, given_signals, 252)
    account = np.append(1.0, cut.equity[:-1]) * (1 + cut.held.before.sum(axis=1))
    share = cut.held.traded * account[:, None] * capital / value
    assert share.max() <= 0.1 * (1 + 1e-9) and (share > 0.0999).mean() > 0.02
    # what was not traded at its bar is traded later, so that what is held lies nearer to what was wanted than nothing
    off, nothing = np.abs(cut.held.weight - whole.held.weight).sum(), np.abs(whole.held.weight).sum()
    assert off < 0.9 * nothing


def test_at_tiny_capital_impact_is_the_flat_cost():
    bars = market(1, 4, 200)
    grid, given_signals = Grid.build(bars), signals(1, bars)
    flat = Backtest().run(grid, given_signals, 252)
    tiny = Backtest(capital=1e-6, costs=Impact()).run(grid, given_signals, 252)
    np.testing.assert_allclose(tiny.cost, flat.cost, atol=1e-8)
    np.testing.assert_allclose(tiny.net, flat.net, atol=1e-8)


def test_costs_grow_with_capital_by_the_root():
    bars = market(2, 4, 200, gaps=0.0)
    grid, given_signals = Grid.build(bars), signals(2, bars)
    books = [
        Backtest(commission_bps=0, slippage_bps=0, borrow_bps=0, capital=c, costs=Impact(participation=None)).run(
            grid, given_signals, 252
        )
        for c in (1e4, 1e6)
    ]
    paid = [book.cost[30:60] / np.maximum(book.turnover[30:60], 1e-12) for book in books]
    np.testing.assert_allclose(paid[1] / paid[0], 10.0, rtol=0.02)


def test_the_spread_of_the_source_takes_the_place_of_slippage():
    bars = [replace(b, extra={"bid": b.close * 0.999, "ask": b.close * 1.001}) for b in market(3, 3, 100)]
    grid, given_signals = Grid.build(bars), signals(3, bars)
    by_source = Backtest(slippage_bps=77, costs=Spread()).run(grid, given_signals, 252)
    flat = Backtest(slippage_bps=10).run(grid, given_signals, 252)  # half of 20 basis points
    np.testing.assert_allclose(by_source.cost[2:], flat.cost[2:], atol=1e-12)
    without = Backtest(costs=Spread()).run(Grid.build(market(3, 3, 100)), given_signals, 252)
    np.testing.assert_allclose(without.cost, Backtest().run(grid, given_signals, 252).cost, atol=1e-15)


def test_a_spread_is_the_one_known_when_the_order_is_filled():
    """At the next open the last quote is the deciding bar's, at the close the filling bar's own."""
    bars = market(3, 1, 4, 0.0)
    width = np.array([1.0, 2.0, 3.0, 4.0]) / 1e3
    quoted = [replace(b, extra={"bid": b.close * (1 - width), "ask": b.close * (1 + width)}) for b in bars]
    grid = Grid.build(quoted)
    at_open = half_spread(grid, "next_open", 77.0)[:, 0]
    np.testing.assert_allclose(at_open, [77e-4, *width[:-1]], rtol=1e-9)
    np.testing.assert_allclose(half_spread(grid, "next_close", 77.0)[:, 0], width, rtol=1e-9)


def test_a_minimum_commission_is_paid_per_trade():
    bars = market(4, 2, 50, gaps=0.0)
    grid, given_signals = Grid.build(bars), signals(4, bars, "signs")
    free = {"commission_bps": 0, "slippage_bps": 0, "borrow_bps": 0, "keep_positions": True}
    book = Backtest(**free, capital=1000.0, costs=Spread(minimum_commission=1.0)).run(grid, given_signals, 252)
    worth = np.append(1.0, book.equity[:-1])
    np.testing.assert_allclose(book.cost * worth * 1000.0, (book.held.traded > 0).sum(axis=1), atol=1e-9)


def test_a_delisted_position_loses_what_is_said():
    bars = market(5, 2, 60, gaps=0.0)
    bars[1] = bars[1].take(slice(0, 40))
    grid = Grid.build(bars)
    target = np.full(grid.has.shape, np.nan)
    target[1] = 0.5
    span = (0, 59)
    kept, lost = (
        Backtest(delisting_return=r, keep_positions=True).trade(grid, target, span, 252, 1) for r in (0, -0.5)
    )
    weight = kept.positions[39, 1]
    assert lost.net[39] - kept.net[39] == pytest.approx(-0.5 * weight, rel=0.02) and weight > 0.2
    assert lost.contribution[1] < kept.contribution[1] - 0.1
    np.testing.assert_allclose(lost.net, lost.gross - lost.cost, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("kind", ["signs", "real"])
def test_positions_and_trades_add_up_to_the_ledger(seed, execution, kind):
    bars = market(seed, 4, 80)
    grid = Grid.build(bars)
    rules = Backtest(execution, keep_positions=True, delisting_return=-0.3)
    book = rules.run(grid, signals(seed, bars, kind), 252)
    held = book.held
    np.testing.assert_allclose((held.before + held.after).sum(axis=1), book.gross, atol=1e-12)
    np.testing.assert_allclose(held.cost.sum(axis=1), book.cost, atol=1e-12)
    np.testing.assert_allclose((held.before + held.after).sum(axis=0), book.contribution, atol=1e-12)
    trades = held.trades(grid, execution)
    np.testing.assert_allclose(trades["gross"].sum(), book.gross.sum(), atol=1e-10)
    np.testing.assert_allclose(trades["cost"].sum(), book.cost.sum(), atol=1e-10)
    assert set(trades["ended"]) <= {"signal", "flip", "delisted", "open"} and len(set(trades["ended"])) > 2
    assert (trades["exit"] >= trades["entry"]).all() and (trades["bars"] >= 1).all()
    if kind == "signs":
        signs = np.diff(np.sign(held.weight), axis=0, prepend=0)
        assert len(trades["side"]) == ((signs != 0) & (held.weight != 0)).sum()
    columns = held.columns(grid)
    assert len(columns["weight"]) == np.count_nonzero(held.weight) and set(columns["symbol"]) <= set(grid.symbols)


def shorts(bars: list[Bars], **settings) -> Ledger:
    """Everything short from the first bar to the last, in equal shares, kept as they are."""
    grid = Grid.build(bars)
    target = np.full(grid.has.shape, np.nan)
    target[1] = -1.0 / len(bars)
    rules = Backtest(commission_bps=0, slippage_bps=0, keep_positions=True, **settings)
    return rules.trade(grid, target, (0, len(grid.time) - 1), 252, 0)


def test_borrow_may_differ_by_symbol():
    bars = [replace(b, extra={"fee": np.where(np.arange(60) < 30, np.nan, 300.0 * (i + 1))})
            for i, b in enumerate(market(6, 2, 60, gaps=0.0))]  # fmt: skip
    names = [b.symbol for b in bars]
    book = shorts(bars, borrow_bps={names[0]: 100.0, "default": 1000.0})
    rates = np.array([100.0, 1000.0])
    worth = np.append(1.0, book.equity[:-1])[:, None]
    account = np.append(1.0, book.equity[:-1])[:, None] * (1 + book.held.before.sum(axis=1, keepdims=True))
    expected = (np.maximum(-book.held.weight, 0) * account / worth * rates / 1e4 / 252).sum(axis=1)
    np.testing.assert_allclose(book.borrow, expected, atol=1e-15)
    np.testing.assert_allclose(book.held.cost.sum(axis=1), book.cost, atol=1e-15)
    by_column, by_mapping = (shorts(bars, borrow_bps=r) for r in ("fee", {names[0]: 300, names[1]: 600}))
    np.testing.assert_array_equal(by_column.net, by_mapping.net)
    flat, same = shorts(bars, borrow_bps=70.0), shorts(bars, borrow_bps={"default": 70.0})
    np.testing.assert_allclose(flat.net, same.net, atol=1e-15)


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
def test_dividends_are_paid_to_who_held_at_the_close_before(execution):
    bars, paid = market(7, 2, 40, gaps=0.0), np.zeros(40)
    paid[20] = 2.0
    raw = [replace(bars[0], extra={"dividend": paid}), bars[1]]
    grid = Grid.build(raw)
    target = np.full(grid.has.shape, np.nan)
    target[5], target[20] = 0.5, 0.0  # sold on the ex-date: paid all the same
    rules = Backtest(execution, dividends="dividend", keep_positions=True)
    with_it, without = (r.trade(grid, target, (0, 39), 252, 0) for r in (rules, replace(rules, dividends=None)))
    np.testing.assert_array_equal(with_it.net[:20], without.net[:20])
    share = without.held.closing[19, 0] / bars[0].close[19]  # shares held at the close before, by equity
    assert with_it.gross[20] - without.gross[20] == pytest.approx(2.0 * share, rel=1e-9) and share > 0
    np.testing.assert_allclose(with_it.net[21:], without.net[21:], atol=1e-15)
    late = np.full(grid.has.shape, np.nan)
    late[20], late[21] = 0.5, 0.0  # bought on the ex-date: too late
    held = [r.trade(grid, late, (0, 39), 252, 0) for r in (rules, replace(rules, dividends=None))]
    np.testing.assert_allclose(held[0].net, held[1].net, atol=1e-15)
    assert not [x for x in ledger_adds_up(rules, with_it, grid, tuple(raw)) if not isinstance(x, int)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"borrow_bps": "fee"}, "backtest.borrow_bps=fee: the bars have no further columns"),
        ({"borrow_bps": {"A?": 1}}, "backtest.borrow_bps.A\\?: there is no such symbol"),
        ({"borrow_bps": {}}, "backtest.borrow_bps: has no rate for"),
        ({"dividends": "cash"}, "backtest.dividends=cash: the bars have no further columns"),
    ],
)
def test_a_column_that_is_not_there_is_one_line(given, said):
    with pytest.raises(ConfigError, match=said):
        shorts(market(0, 2, 50, gaps=0.0), **given)


@pytest.mark.parametrize("given", [{"borrow_bps": -1}, {"borrow_bps": {"default": -1}}, {"dividends": 3}])
def test_a_rate_out_of_range_is_one_line(given):
    with pytest.raises(ConfigError, match=r"^backtest\."):
        Backtest(**given)


def test_keeping_positions_changes_nothing():
    bars = market(9, 4, 80)
    grid, given_signals = Grid.build(bars), signals(9, bars)
    one, two = (Backtest(keep_positions=k).run(grid, given_signals, 252) for k in (False, True))
    np.testing.assert_array_equal(one.net, two.net)
    assert one.held is None and one.positions is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Impact(coefficient=-1), "costs.coefficient=-1"),
        (lambda: Impact(participation=0), "costs.participation=0"),
        (lambda: Impact(window=1), "costs.window=1"),
        (lambda: Spread(minimum_commission=-1), "costs.minimum_commission=-1"),
    ],
)
def test_a_setting_out_of_range_is_one_line(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_impact_without_volume_is_told():
    bars = [replace(b, volume=np.zeros(len(b))) for b in market(0, 2, 50, gaps=0.0)]
    with pytest.raises(ConfigError, match="costs=impact: the bars have no volume"):
        Backtest(costs=Impact()).run(Grid.build(bars), signals(0, bars), 252)


def test_a_spread_that_the_source_lacks_is_a_warning():
    plain, told = load(2, 40), []
    out = SimpleNamespace(warn=told.append)
    note_costs(out, Backtest(costs=Spread(), slippage_bps=3.0), plain)
    assert "no bid and ask, so that backtest.slippage_bps=3 stands in" in told[0]
    quoted = [replace(b, extra={"bid": b.close, "ask": b.close}) for b in plain.bars]
    note_costs(out, Backtest(costs=Spread()), Market(tuple(quoted)))
    note_costs(out, Backtest(), plain)
    assert len(told) == 1
