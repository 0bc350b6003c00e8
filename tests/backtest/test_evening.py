"""`portfolio.flat_overnight`: closed at the close of each session's last bar, half days too, opened again; by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from barwise.audit.ledger import ledger_adds_up
from barwise.backtest.exits import Evening, Stops
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, check_columns
from barwise.console.arguments import compose
from barwise.data.bars import Market
from barwise.data.shape import Shape
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.portfolio.holding import averaged
from barwise.portfolio.portfolio import Portfolio
from tests.data.trading import session_bars

RATE = 5e-4


def market(lost: tuple[int, ...] = ()):
    """Half hours around Thanksgiving; 24 November 2023 is a half day."""
    bars = session_bars("XNYS", "2023-11-20", "2023-11-29", 30)
    kept = bars.take(np.delete(np.arange(len(bars)), lost))
    return Shape.of({"calendar": "XNYS"}).shaped(lambda: Market((kept,)))().bars[0]


def by_hand(bars, signal: np.ndarray, execution: str) -> np.ndarray:
    """Equity bar by bar of one symbol that is flat over night: cash and units, one order a bar."""
    last = bars.extra["session_left"] == 0
    cash, units, equity = 1.0, 0.0, []
    for t in range(len(bars)):
        price = bars.open[t] if execution == "next_open" else bars.close[t]
        account = cash + units * price
        if t > 0:
            wanted = 0.0 if execution == "next_close" and last[t] else signal[t - 1] * account
            traded = wanted - units * price
            cash -= traded + RATE * abs(traded)
            units = wanted / price
        if execution == "next_open" and last[t]:
            cash += units * bars.close[t] - RATE * abs(units * bars.close[t])
            units = 0.0
        equity.append(cash + units * bars.close[t])
    return np.array(equity)


def traded(bars, signal, execution="next_open", stops: Stops | None = None, **settings):
    backtest = Backtest(execution=execution, borrow_bps=0, keep_positions=True, **settings)
    backtest = backtest.trading(Portfolio(flat_overnight=True, hold=1), None, Evening(stops))
    grid = Grid.build([bars])
    signals = Signals(np.zeros(len(bars), np.int64), bars.time, signal)
    return backtest, grid, backtest.run(grid, signals, 252 * 13)


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("kind", ["long", "random"])
def test_the_ledger_is_flat_over_night_and_as_by_hand(execution, kind):
    bars = market()
    random = np.random.default_rng(3)
    signal = np.ones(len(bars)) if kind == "long" else random.choice([-1.0, 0.0, 0.5, 1.0], len(bars))
    backtest, grid, ledger = traded(bars, signal, execution)
    np.testing.assert_allclose(ledger.equity, by_hand(bars, signal, execution), rtol=1e-12)
    last = bars.extra["session_left"] == 0
    assert (ledger.exposure[last] == 0).all() and last.sum() == 7
    assert not [f for f in ledger_adds_up(backtest, ledger, grid, (bars,)) if not isinstance(f, int)]
    if kind == "long":
        found = ledger.held.trades(grid, execution)
        half = found["exit"][found["exit"].astype("datetime64[D]") == np.datetime64("2023-11-24")]
        assert list(found["ended"]) == ["session"] * 7 and str(half[0])[11:16] == "17:30"  # the half day's last bar
        np.testing.assert_allclose(found["exit_price"], bars.close[last])
        assert ledger.n_trades == 14


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
def test_stops_end_it_earlier_and_the_next_session_opens_it_again(execution):
    bars = market()
    day = np.unique(bars.extra["session_number"], return_inverse=True)[1]
    low = bars.low.copy()
    hit = int(np.flatnonzero(day == 2)[5])
    low[hit] *= 0.9
    bars = replace(bars, low=low)
    stops = Stops(stop=5.0, unit="percent")
    _, grid, ledger = traded(bars, np.ones(len(bars)), execution, stops)
    found = ledger.held.trades(grid, execution)
    assert list(found["ended"]) == ["session"] * 2 + ["stop"] + ["session"] * 4
    after = (day == 2) & (np.arange(len(bars)) > hit)
    assert (ledger.exposure[after] == 0).all() and ledger.exposure[np.flatnonzero(day == 3)[2]] > 0


def test_where_the_last_bar_is_missing_nothing_is_known_of_it_and_the_position_stays():
    bars = market(lost=(25,))  # the second session's last bar
    _, _, ledger = traded(bars, np.ones(len(bars)))
    assert ledger.exposure[24] > 0 and ledger.exposure[12] == 0


def test_tranches_of_the_session_before_are_not_opened_again():
    session = np.array([0, 0, 1, 1, 1])[:, None]  # decided at the third bar, the last of its session, for the next
    found = averaged(np.ones((5, 1)), np.ones((5, 1), bool), 2, session)
    np.testing.assert_allclose(found[:, 0], [0.5, 1.0, 0.5, 1.0, 1.0])
    bars = market()
    portfolio = Portfolio(flat_overnight=True, hold=3)
    context = Backtest()._context(Grid.build([bars]), np.ones((len(bars), 1)), None, 252)  # type: ignore[arg-type]
    held = portfolio.weights(context)[:, 0]
    last = np.flatnonzero(bars.extra["session_left"] == 0)
    np.testing.assert_allclose(held[last], 1 / 3)
    np.testing.assert_allclose(held[last[:-1] + 1], 2 / 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["portfolio.rebalance=weekly"], "portfolio.rebalance=weekly counts on what was held the day before"),
        (["portfolio.max_turnover=0.1"], "portfolio.max_turnover=0.1 counts on what was held"),
        (["exits=barriers", "labels=triple_barrier"], "knows exits=stops alone"),
    ],
)
def test_what_does_not_go_with_it_is_told(words, said):
    with pytest.raises(Exception, match=said) as raised:
        parts_of(compose(["portfolio.flat_overnight=true", *words]))
    assert "ConfigError" in repr(raised.value)
    backtest = parts_of(compose(["portfolio.flat_overnight=true"])).backtest
    with pytest.raises(ConfigError, match=r"set data.calendar=XNYS"):
        check_columns(backtest, [session_bars("XNYS", "2023-11-20", "2023-11-21", 30)])
