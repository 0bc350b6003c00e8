"""Metrics against hand formulas, empyrical and least squares; what is undefined is None with a reason."""

from __future__ import annotations

import math
from dataclasses import replace

import empyrical
import numpy as np
import pytest
from scipy import stats

from barwise.backtest.baselines import baselines
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.backtest.metrics import (
    breakeven,
    compute,
    correlations,
    cross_section,
    drawdown,
    net_sharpe,
    regression,
    sharpe_ratio,
    steady_t,
)
from barwise.data import synthetic
from barwise.evidence.deflated import probabilistic_sharpe
from tests.backtest.markets import market, signals


@pytest.fixture(scope="module")
def traded():
    bars = market(4, 4, 300, 0.05)
    grid, given = Grid.build(bars), signals(4, bars)
    rules = Backtest()
    ledger = rules.run(grid, given, 252)
    buy = baselines(grid, rules, given, 252, 0)["buy_and_hold"][0]
    random = np.random.default_rng(0)
    score, ret = random.normal(size=(2, 500))
    time = np.repeat(np.arange(20), 25)
    return ledger, buy, compute(ledger, buy, score + ret, ret, time, 252)[0], (score + ret, ret, time)


def test_ratios_by_hand(traded):
    ledger, _, found, _ = traded
    net = ledger.net
    assert found["sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * math.sqrt(252), rel=1e-12)
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(net, annualization=252), rel=1e-9)
    assert found["annual_volatility"] == pytest.approx(net.std(ddof=1) * math.sqrt(252), rel=1e-9)
    assert found["annual_return"] == pytest.approx(ledger.equity[-1] ** (252 / len(net)) - 1, rel=1e-9)
    equity = np.concatenate([[1.0], ledger.equity])
    worst = (equity / np.maximum.accumulate(equity) - 1).min()
    assert found["max_drawdown"] == pytest.approx(worst, rel=1e-9)
    assert found["calmar"] == pytest.approx(found["annual_return"] / -worst, rel=1e-9)
    downside = math.sqrt((np.minimum(net, 0) ** 2).mean()) * math.sqrt(252)
    assert found["sortino"] == pytest.approx(net.mean() * 252 / downside, rel=1e-9)
    assert found["hit_rate"] == pytest.approx((net > 0).sum() / (net != 0).sum())
    assert found["turnover"] == pytest.approx(ledger.turnover.sum() / len(net) * 252)


def test_alpha_beta_and_t_by_least_squares(traded):
    ledger, buy, found, _ = traded
    X = np.column_stack([np.ones(len(buy.net)), buy.net])
    coefficients, rest, *_ = np.linalg.lstsq(X, ledger.net, rcond=None)
    error = np.sqrt(rest[0] / (len(X) - 2) * np.linalg.inv(X.T @ X)[0, 0])
    assert found["alpha"] == pytest.approx(coefficients[0] * 252, rel=1e-9)
    assert found["beta"] == pytest.approx(coefficients[1], rel=1e-9)
    assert found["t_stat"] == pytest.approx(coefficients[0] / error, rel=1e-9)


def test_correlations_are_scipys(traded):
    _, _, found, (score, ret, time) = traded
    assert found["ic"] == pytest.approx(stats.pearsonr(score, ret)[0], rel=1e-12)
    assert found["rank_ic"] == pytest.approx(stats.spearmanr(score, ret)[0], rel=1e-12)
    each = [stats.spearmanr(score[time == t], ret[time == t])[0] for t in range(20)]
    assert found["rank_ic_cross"] == pytest.approx(np.mean(each), rel=1e-12)
    assert found["accuracy"] == pytest.approx((np.sign(score) == np.sign(ret)).mean())


def test_accuracy_leaves_ties_out_and_rows_without_a_return_are_not_counted():
    score, ret = np.array([1.0, -1, 0, 1, np.nan, 1]), np.array([1.0, 1, 1, 0, 1, np.nan])
    assert correlations(score, ret, np.arange(6))["accuracy"] == 0.5


@pytest.mark.parametrize("borrow", [0.0, 50.0])
def test_at_the_break_even_cost_the_net_mean_is_zero(borrow):
    bars = market(11, 3, 400, 0.0)
    grid = Grid.build(bars)
    with np.errstate(invalid="ignore"):  # signals that know the future, so that there is something to pay costs from
        ahead = np.vstack([grid.open[2:] / grid.open[1:-1] - 1, np.zeros((2, 3))])
    symbol = np.tile(np.arange(3), 400)
    given = Signals(symbol, np.repeat(grid.time, 3), np.sign(ahead).ravel())
    free = Backtest(commission_bps=0, slippage_bps=0, borrow_bps=borrow)
    ledger = free.run(grid, given, 252)
    zero = compute(ledger, ledger, ahead.ravel(), ahead.ravel(), symbol, 252)[0]["breakeven_cost_bps"]
    assert zero > 50
    dear = replace(free, commission_bps=zero).run(grid, given, 252)
    assert abs(dear.net.mean()) < 0.02 * ledger.net.mean()


def test_sharpe_is_above_what_cash_earns():
    bars = market(4, 4, 300, 0.0)
    grid, given = Grid.build(bars), signals(4, bars)
    ledger = Backtest(cash_rate=0.05).run(grid, given, 252)
    expected = sharpe_ratio(ledger.net - 0.05 / 252, 252)
    assert net_sharpe(ledger, 252) == pytest.approx(expected) and expected != sharpe_ratio(ledger.net, 252)


def test_cash_adds_nothing_to_what_judges_trading():
    bars = market(4, 4, 300, 0.0)
    grid, given = Grid.build(bars), signals(4, bars)
    rate, score, ret = 0.05, np.arange(9.0), np.arange(9.0)[::-1]
    ledger = Backtest(cash_rate=rate).run(grid, given, 252)
    buy = baselines(grid, Backtest(cash_rate=rate), given, 252, 0)["buy_and_hold"][0]
    found = compute(ledger, buy, score, ret, np.arange(9), 252)[0]
    net, market_net = ledger.net - rate / 252, buy.net - rate / 252
    slope, intercept = np.polyfit(market_net, net, 1)
    assert (found["beta"], found["alpha"]) == pytest.approx((slope, intercept * 252))
    assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(net, annualization=252))
    assert found["psr"] == pytest.approx(probabilistic_sharpe(net))
    idle = Signals(np.repeat([0, 1, 2, 3], 300), np.tile(grid.time, 4), np.zeros(1200))
    nothing = Backtest(cash_rate=rate).run(grid, idle, 252)
    assert not nothing.excess.any() and nothing.net.mean() == pytest.approx(rate / 252, rel=0.01)
    assert compute(nothing, buy, score, ret, np.arange(9), 252)[0]["psr"] is None


def test_without_trades_what_is_undefined_is_none_and_the_reason_said():
    bars = market(4, 2, 50, 0.0)
    grid = Grid.build(bars)
    flat = Signals(np.repeat([0, 1], 50), np.tile(grid.time, 2), np.zeros(100))
    ledger = Backtest().run(grid, flat, 252)
    found, reasons = compute(ledger, ledger, np.zeros(100), np.ones(100), np.zeros(100), 252)
    for name in ("sharpe", "sortino", "calmar", "t_stat", "hit_rate", "breakeven_cost_bps", "psr", "ic", "rank_ic"):
        assert found[name] is None and reasons[name] == "no trades", name
    assert found["n_trades"] == 0 and found["turnover"] == 0 and found["max_drawdown"] == 0
    assert all(value is None or math.isfinite(value) for value in found.values())


def test_buy_and_hold_by_hand():
    bars = market(6, 3, 100, 0.0)
    grid = Grid.build(bars)
    given = Signals(np.tile(np.arange(3), 100), np.repeat(grid.time, 3), np.ones(300))
    book = baselines(grid, Backtest(commission_bps=0, slippage_bps=0), given, 252, 0)["buy_and_hold"][0]
    worth = np.mean([b.close / b.open[1] for b in bars], axis=0)  # bought at the second bar's open, then left alone
    np.testing.assert_allclose(book.equity[1:], worth[1:], rtol=1e-12)
    assert book.turnover.tolist()[2:] == [0.0] * 98


def test_random_signals_have_the_strategys_own_turnover_but_for_the_seam():
    bars = market(7, 3, 500, 0.0)
    grid, given = Grid.build(bars), signals(7, bars, "signs")
    rules = Backtest()
    own = rules.run(grid, given, 252).turnover.mean()
    drawn = baselines(grid, rules, given, 252, 3)["random"]
    assert len(drawn) == 10 and len({d.net.sum() for d in drawn}) == 10
    assert [d.turnover.mean() for d in drawn] == pytest.approx([own] * 10, rel=0.05)


def test_persistence_is_the_sign_of_the_last_return():
    bars = market(8, 1, 60, 0.0)
    grid, rules = Grid.build(bars), Backtest()
    given = Signals(np.zeros(60, int), grid.time, np.ones(60))
    sign = np.sign(np.diff(bars[0].close, prepend=bars[0].close[0]))
    expected = rules.run(grid, Signals(np.zeros(60, int), grid.time, sign), 252)
    np.testing.assert_array_equal(baselines(grid, rules, given, 252, 0)["persistence"][0].net, expected.net)


@pytest.mark.parametrize("seed", [2, 4, 5])
def test_half_long_throughout_has_an_alpha_on_buy_and_hold_and_none_on_steady_weights(seed):
    """On markets that rise buy-and-hold comes to hold most of what rose most."""
    bars = []
    for b in synthetic.load(n_symbols=5, n_bars=1500, seed=seed).bars:
        grown = np.exp(0.0012 * np.arange(1500))
        bars.append(replace(b, **{k: getattr(b, k) * grown for k in ("open", "high", "low", "close")}))
    grid, rules = Grid.build(bars), Backtest(slippage_bps=0.0, commission_bps=0.0)
    symbol, time = np.repeat(np.arange(5), 1500), np.tile(grid.time, 5)
    half = rules.run(grid, Signals(symbol, time, np.full(7500, 0.5)), 252.0)
    assert steady_t(half, grid, 252.0) < 1.0
    held = np.column_stack([b.close / b.close[0] for b in bars]).sum(axis=1)
    held = np.append(0.0, held[1:] / held[:-1] - 1)[np.searchsorted(grid.time, half.time)]
    assert regression(half.excess, held, 252.0)["t_stat"] > 1.645


def test_the_break_even_cost_is_of_what_borrow_and_cash_leave():
    bars = market(5, 3, 200, 0.0)
    ledger = Backtest(borrow_bps=400.0, cash_rate=0.03).run(Grid.build(bars), signals(5, bars), 252)
    left = ledger.gross.mean() - ledger.borrow.mean() - 0.03 / 252
    assert ledger.borrow.mean() > 1e-5
    assert breakeven(ledger) == pytest.approx(1e4 * left / ledger.turnover.mean(), rel=1e-12)


def test_a_loss_on_the_first_bar_is_a_drawdown_from_the_start():
    assert drawdown(np.array([0.9, 0.95, 1.2, 0.6])) == pytest.approx([-0.1, -0.05, 0.0, -0.5])
    assert drawdown(np.array([90.0]), start=100.0) == pytest.approx([-0.1])


def test_twenty_symbols_are_a_cross_section_and_nineteen_are_none():
    score = np.arange(20.0)
    time = np.full(20, np.datetime64("2020-01-01", "ns"))
    assert cross_section(score, score**3, time) == pytest.approx(1.0)
    assert cross_section(score[1:], score[1:] ** 3, time[1:]) is None
