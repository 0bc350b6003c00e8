"""Contracts: currencies enter returns, rolls earn nothing and cost, ticks round against the trade; by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise.backtest.costs import Impact
from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars, Market
from barwise.data.shape import Shape
from barwise.errors import DataError

DAY = np.timedelta64(1, "D")
TIME = np.datetime64("2024-03-11", "ns") + np.arange(8) * DAY.astype("timedelta64[ns]")
CLOSE = np.array([100.0, 102.0, 101.0, 121.0, 120.0, 123.0, 124.0, 122.0])  # 20 higher from the next contract on
OPEN = np.array([99.0, 101.0, 102.0, 120.0, 121.0, 121.0, 123.0, 124.0])
EUR = np.array([np.nan, 1.10, 1.11, 1.12, np.nan, 1.10, 1.09, 1.10])
NEXT = 3  # the row of the roll


def bars(symbol: str = "F", **extra) -> Bars:
    high, low = np.maximum(OPEN, CLOSE) + 0.5, np.minimum(OPEN, CLOSE) - 0.5
    return Bars(symbol, TIME, OPEN, high, low, CLOSE, np.full(8, 1000.0), extra)


def future(**extra) -> Bars:
    code = (np.arange(8) >= NEXT).astype(np.int32)
    return replace(bars(**extra), groups={"contract": code}, group_names={"contract": ("FH4", "FM4")})


def priced(
    one: Bars, tmp_path: Path, row: str, columns: str = "symbol,multiplier,tick,currency,fx,commission"
) -> Market:
    path = tmp_path / "contracts.csv"
    path.write_text(f"{columns}\n{row}\n")
    return Shape.of({"contracts": str(path)}).shaped(lambda: Market((one,)))()


def test_prices_are_the_accounts_and_volume_is_counted_in_units(tmp_path):
    market = priced(bars(EURUSD=EUR), tmp_path, "F,50,0.5,EUR,EURUSD,2")
    own = market.bars[0]
    rate = np.array([1.10, 1.11, 1.12, 1.12, 1.10, 1.09, 1.10])  # the bar without one has the last
    assert len(own) == 7 and "1 bars before the first rate" in market.facts["notes"][-1]
    np.testing.assert_allclose(own.close, CLOSE[1:] * rate)
    np.testing.assert_allclose(own.open[1:], OPEN[2:] * rate[:-1])  # known when it opened
    assert ((own.high >= np.maximum(own.open, own.close)) & (own.low <= np.minimum(own.open, own.close))).all()
    np.testing.assert_allclose(own.volume, 50_000)
    np.testing.assert_allclose(own.extra["contract_tick"], 0.5 * rate)
    np.testing.assert_allclose(own.extra["contract_commission"], 2 / 50 * rate)
    inverse = priced(bars(USDEUR=1 / EUR), tmp_path, "F,50,,EUR,1/USDEUR,").bars[0]
    np.testing.assert_allclose(inverse.close, own.close)


def test_a_roll_is_no_return_and_changes_no_bar_before_it(tmp_path):
    own = priced(future(), tmp_path, "F", "symbol").bars[0]
    factor = np.where(np.arange(8) >= NEXT, 101.0 / 120.0, 1.0)
    np.testing.assert_allclose(own.close, CLOSE * factor)
    assert own.open[NEXT] == pytest.approx(own.close[NEXT - 1])
    np.testing.assert_array_equal(own.extra["contract_rolls"], np.arange(8) >= NEXT)
    part = priced(future().take(slice(0, NEXT)), tmp_path, "F", "symbol").bars[0]
    np.testing.assert_array_equal(part.close, own.close[:NEXT])


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("long", [1.0, -0.5])
def test_the_ledger_pays_for_a_roll_what_closing_and_opening_cost(tmp_path, execution, long):
    own = priced(future(), tmp_path, "F", "symbol").bars[0]
    backtest = Backtest(execution=execution, commission_bps=10, slippage_bps=0, borrow_bps=0, max_gross=2)
    target = np.full((8, 1), np.nan)
    target[1] = long  # bought once and held
    ledger = replace(backtest, keep_positions=True).trade(Grid.build([own]), target, (0, 7), 252, 1)
    price = own.open if execution == "next_open" else own.close
    cash, units, equity = 1.0, 0.0, []
    for t in range(8):
        if t == NEXT:  # nothing is earned between the contracts; both are paid for at the old one's close
            cash -= 2 * 0.001 * abs(units * own.close[t - 1])
        if t == 1:
            units = long * cash / price[t]
            cash -= long + 0.001 * abs(long)
        equity.append(cash + units * own.close[t])
    np.testing.assert_allclose(ledger.equity, equity, rtol=1e-12)
    assert ledger.turnover[NEXT] == pytest.approx(2 * abs(units * own.close[NEXT - 1]) / equity[NEXT - 1], rel=0.01)
    assert ledger.held is not None and ledger.held.cost.sum() == pytest.approx(ledger.cost.sum())


def test_one_that_is_closed_at_the_roll_is_paid_for_once(tmp_path):
    own = priced(future(), tmp_path, "F", "symbol").bars[0]
    target = np.full((8, 1), np.nan)
    target[1], target[NEXT] = 1.0, 0.0
    ledger = Backtest(commission_bps=10, slippage_bps=0).trade(Grid.build([own]), target, (0, 7), 252, 1)
    assert ledger.turnover[NEXT] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("side", "fill"), [(1.0, 101.5), (-1.0, 100.5)])
def test_a_fill_is_rounded_to_the_tick_against_the_trade(tmp_path, side, fill):
    """Slippage of 4 bp at 101 is 0.0404: the next half point up, or down."""
    own = priced(bars(), tmp_path, "F,0.5", "symbol,tick").bars[0]
    target = np.full((8, 1), np.nan)
    target[1] = side
    grid = Grid.build([own])
    ledger = Backtest(commission_bps=0, slippage_bps=4, borrow_bps=0).trade(grid, target, (0, 7), 252, 1)
    assert ledger.cost[1] == pytest.approx(abs(fill - 101.0) / 101.0)
    free = Backtest(commission_bps=0, slippage_bps=0, borrow_bps=0).trade(grid, target, (0, 7), 252, 1)
    assert free.cost.sum() == pytest.approx(0.0, abs=1e-15)  # a price that lies on a tick is kept


def test_a_commission_is_paid_for_each_contract(tmp_path):
    own = priced(bars(), tmp_path, "F,50,2.5", "symbol,multiplier,commission").bars[0]
    target = np.full((8, 1), np.nan)
    target[1] = 1.0
    ledger = Backtest(commission_bps=0, slippage_bps=0).trade(Grid.build([own]), target, (0, 7), 252, 1)
    number = 1_000_000 / (50 * 101.0)  # contracts
    assert ledger.cost[1] == pytest.approx(number * 2.5 / 1_000_000)
    most = Impact(participation=0.1, window=2).on(Grid.build([own]), "next_open", 0, 0, 1e6).most
    np.testing.assert_allclose(most[:, 0], 0.1 * 1000 * 50 * OPEN / 1e6)


def test_a_long_ledger_of_rolls_and_ticks_is_the_same_at_once(monkeypatch, tmp_path):
    from barwise.backtest import stretch

    random = np.random.default_rng(0)
    n = 600
    close = 100 * np.exp(0.01 * random.normal(size=(n, 2)).cumsum(axis=0)).round(2)
    time = np.datetime64("2020-01-01", "ns") + np.arange(n) * DAY.astype("timedelta64[ns]")
    both = []
    for s, name in enumerate("FG"):
        c = close[:, s]
        o = np.append(c[0], c[:-1]).round(2)
        extra = {"contract": np.floor(np.arange(n) / (60 + 7 * s))}
        both.append(Bars(name, time, o, np.maximum(o, c) + 0.1, np.minimum(o, c) - 0.1, c, np.full(n, 1e4), extra))
    path = tmp_path / "contracts.csv"
    path.write_text("symbol,tick,commission\nF,0.25,1\nG,0.01,0\n")
    grid = Grid.build(Shape.of({"contracts": str(path)}).shaped(lambda: Market(tuple(both)))().bars)
    target = np.where(random.random((n, 2)) < 0.3, random.normal(size=(n, 2)) * 0.4, np.nan)
    for execution in ("next_open", "next_close"):
        backtest = Backtest(execution=execution, keep_positions=True)
        slow = backtest.trade(grid, target, (0, n - 1), 252, 0)
        with monkeypatch.context() as patched:
            patched.setattr(stretch, "LONG", 100)
            fast = backtest.trade(grid, target, (0, n - 1), 252, 0)
        for name in ("net", "cost", "turnover", "equity"):
            np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(fast.held.cost, slow.held.cost, atol=1e-12)


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        ("symbol,tick", "F,0", "F: tick=0.*must be a number above 0"),
        ("symbol,multiplier", "F,ten", "F: multiplier=ten: must be a number above 0"),
        ("symbol,ticks", "F,1", "has a column ticks; its columns are symbol, multiplier"),
        ("symbol,tick", "G,1", "has no row of F; give each symbol one"),
        ("symbol,tick", "F,1\nF,1", "has F twice"),
        ("symbol,currency,fx", "F,EUR,EURUSD", "the bars have no column EURUSD; beside prices they have none"),
        ("symbol,currency", "F,EUR\nG,USD", "EUR and USD have no fx"),
        ("symbol,fx", "F,2/3/4", "must be a column of rates such as EURUSD"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, columns, row, said):
    with pytest.raises(DataError, match=said) as raised:
        priced(bars(), tmp_path, row, columns)
    assert "\n" not in str(raised.value)
