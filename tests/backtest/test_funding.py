"""Funding: what a position pays or receives at its stamps, beside costs."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.audit.ledger import ledger_adds_up
from barwise.audit.trades import trades_wait
from barwise.backtest import stretch
from barwise.backtest.exits import Stops
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars
from barwise.errors import ConfigError

HOURS = 8 * 10 + 2


def perpetual(rates: list[float], price: np.ndarray | None = None) -> Bars:
    """Hourly bars of a perpetual whose every eighth bar closes at a funding stamp."""
    time = np.datetime64("2024-01-01T01", "ns") + np.arange(HOURS) * np.timedelta64(1, "h")
    rate = np.full(HOURS, np.nan)
    rate[7::8][: len(rates)] = rates
    close = np.full(HOURS, 100.0) if price is None else price
    open_ = np.append(close[0], close[:-1])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Bars("PERP", time, open_, high, low, close, np.full(HOURS, 1e6), extra={"funding": rate})


def held(bars: Bars, side: float, **settings):
    rules = Backtest(commission_bps=0, slippage_bps=0, borrow_bps=0, keep_positions=True, funding="funding", **settings)
    grid = Grid.build([bars])
    ledger = rules.run(grid, Signals(np.zeros(HOURS, int), bars.time, np.full(HOURS, side)), 8760)
    assert not [x for x in ledger_adds_up(rules, ledger, grid, (bars,)) if not isinstance(x, int)]
    return ledger, ledger.held.trades(grid, "next_open")


RATES = [0.0001, 0.0003, -0.0002, 0.0, 0.0001, 0.0005, -0.0001, 0.0002, 0.0001, 0.0001]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_perpetual_held_through_ten_stamps(side):
    ledger, trades = held(perpetual(RATES), side)
    expected = 1.0
    for rate in RATES:  # the price stands at 100, so that a position is worth what the account is at the open
        expected *= 1 - side * rate
    assert ledger.equity[-1] == pytest.approx(expected, rel=1e-12)
    assert np.flatnonzero(ledger.cash_flow).tolist() == [8 * k + 7 for k, rate in enumerate(RATES) if rate]
    np.testing.assert_allclose(ledger.cash_flow[7::8], -side * np.array(RATES), atol=1e-12)
    assert (ledger.cost == 0).all()
    np.testing.assert_allclose(ledger.gross, ledger.cash_flow, atol=1e-15)  # the price did not move
    assert trades["gross"][0] == pytest.approx(0, abs=1e-12)
    assert trades["funding"][0] == pytest.approx(-side * sum(RATES), abs=1e-12)
    assert trades["net"][0] == trades["gross"][0] + trades["funding"][0] - trades["cost"][0]


def test_it_is_paid_on_the_value_at_the_stamp():
    price = np.full(HOURS, 100.0)
    price[7:] = 150.0  # the bar that closes at the first stamp rises by a half
    ledger, _ = held(perpetual([0.01]), 0.5)
    other, _ = held(perpetual([0.01], price), 0.5)
    assert ledger.cash_flow[7] == pytest.approx(-0.01 * 0.5)
    assert other.cash_flow[7] == pytest.approx(-0.01 * 0.75)


def test_what_a_stop_ended_in_the_bar_pays_nothing_at_its_close():
    price = np.full(HOURS, 100.0)
    price[7:] = 80.0
    ledger, trades = held(perpetual([0.01], price), 1.0, exits=Stops(5, unit="percent"))
    assert (ledger.cash_flow == 0).all() and trades["ended"][0] == "stop"
    assert ledger.equity[-1] == pytest.approx(0.95)


def test_a_stretch_at_once_pays_the_same(monkeypatch):
    price = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, HOURS)))
    slow, told = held(perpetual(RATES, price), -1.0, cash_rate=0.05)
    monkeypatch.setattr(stretch, "LONG", 0)
    fast, again = held(perpetual(RATES, price), -1.0, cash_rate=0.05)
    for name in ("net", "gross", "equity", "cash_flow", "contribution"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(again["funding"], told["funding"], rtol=1e-12)


def test_a_column_that_there_is_not_is_one_line():
    bars = perpetual(RATES)
    rules = Backtest(funding="swap")
    with pytest.raises(ConfigError, match=r"^backtest\.funding=swap: the bars have funding; name one"):
        rules.run(Grid.build([bars]), Signals(np.zeros(HOURS, int), bars.time, np.ones(HOURS)), 8760)


@pytest.mark.parametrize(
    "settings",
    [{"funding": "rate"}, {"dividends": "paid"}, {"borrow_bps": "fee"}, {"borrow_bps": {"GME": 3000, "default": 50}}],
)
def test_a_backtest_that_reads_columns_or_names_symbols_passes_the_audit_of_execution(settings):
    """The probe has one symbol and no column."""
    assert list(trades_wait(Backtest(**settings), Grid.build, Signals)) == [1]
