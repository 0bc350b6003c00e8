"""The ledger against a plain loop written from its definition, and against what must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.backtest import stretch
from barwise.backtest.costs import Impact, Spread
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.errors import ConfigError, DataError
from barwise.portfolio.portfolio import Portfolio
from tests.backtest.markets import market, signals
from tests.reference.ledger import as_mapping, plain_ledger

RULES = st.builds(
    Backtest,
    execution=st.sampled_from(["next_open", "next_close"]),
    commission_bps=st.sampled_from([0.0, 1.0, 20.0]),
    slippage_bps=st.sampled_from([0.0, 4.0]),
    borrow_bps=st.sampled_from([0.0, 50.0, 5000.0]),
    max_gross=st.sampled_from([0.3, 1.0]),
    cash_rate=st.sampled_from([0.0, 0.05]),
)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_symbols=st.integers(1, 5),
    gaps=st.sampled_from([0.0, 0.1, 0.4]),
    kind=st.sampled_from(["real", "signs"]),
    first=st.integers(0, 20),
    delay=st.integers(0, 2),
    rules=RULES,
)
def test_it_equals_a_plain_loop(seed, n_symbols, gaps, kind, first, delay, rules):
    bars = market(seed, n_symbols, 50, gaps)
    given_signals = signals(seed, bars, kind, first)
    ledger = rules.run(Grid.build(bars), given_signals, 252, delay)
    names = tuple(b.symbol for b in bars)
    mapping = as_mapping(names, given_signals.symbol, given_signals.time, given_signals.value)
    expected = plain_ledger(bars, mapping, rules, 252, delay)
    assert ledger.time.tolist() == [row.time for row in expected]
    for name in ("gross", "cost", "net", "turnover", "equity"):
        np.testing.assert_allclose(getattr(ledger, name), [getattr(r, name) for r in expected], rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_symbols=st.integers(1, 4),
    gaps=st.sampled_from([0.0, 0.1, 0.4]),
    rules=RULES,
    costs=st.sampled_from([None, Spread(), Spread(1.0), Impact(participation=None)]),
    rebalance=st.sampled_from([1, 7, "weekly"]),
)
def test_a_stretch_at_once_is_the_stretch_bar_by_bar(seed, n_symbols, gaps, rules, costs, rebalance):
    bars = market(seed, n_symbols, 120, gaps)
    grid, given_signals = Grid.build(bars), signals(seed, bars, first=seed % 20)
    rules = replace(
        rules, keep_positions=True, costs=costs, capital=1e5,
        portfolio=Portfolio(rebalance=rebalance, gross=rules.max_gross, hold=1),
    )  # fmt: skip
    slow = rules.run(grid, given_signals, 252)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("LONG", 0), ("_LEAST", 2), ("_CELLS", 40 * n_symbols)):
            patch.setattr(stretch, name, value)
        patch.setattr(stretch, "_bar_by_bar", lambda account, begin, end: end - begin < 2 and account.bar(begin))
        fast = rules.run(grid, given_signals, 252)
    assert fast.ruined == slow.ruined and fast.n_trades == slow.n_trades
    names = ("net", "gross", "cost", "turnover", "equity", "borrow", "exposure", "contribution", "positions")
    for name in names:
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-12, err_msg=name)
    for name in ("weight", "before", "after", "cost", "traded", "closing"):
        one, other = getattr(fast.held, name), getattr(slow.held, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_symbols=st.integers(1, 8),
    gaps=st.sampled_from([0.0, 0.1, 0.4]),
    kind=st.sampled_from(["real", "signs"]),
    rules=RULES,
    rebalance=st.sampled_from([1, 7]),
    delisting=st.sampled_from([0.0, -0.3, -1.0]),
    shock=st.sampled_from([1.0, 3.0, 0.01]),
)
def test_a_few_symbols_are_carried_to_the_bit(seed, n_symbols, gaps, kind, rules, rebalance, delisting, shock):
    """By Python's floats as by numpy's, gaps, ends and ruin included."""
    bars = market(seed, n_symbols, 90, gaps)
    for b in bars[::2]:
        for name in ("open", "high", "low", "close"):
            getattr(b, name)[len(b) // 2 :] *= shock
    grid, given_signals = Grid.build(bars), signals(seed, bars, kind, seed % 20)
    rules = replace(
        rules, keep_positions=True, delisting_return=delisting,
        portfolio=Portfolio(rebalance=rebalance, gross=rules.max_gross, hold=1),
    )  # fmt: skip
    fast = rules.run(grid, given_signals, 252, seed % 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretch, "plain", lambda terms: False)
        slow = rules.run(grid, given_signals, 252, seed % 2)
    assert fast.ruined == slow.ruined
    names = ("net", "gross", "cost", "turnover", "equity", "borrow", "exposure", "contribution", "positions")
    for book, other, parts in (
        (fast, slow, names),
        (fast.held, slow.held, ("weight", "before", "after", "cost", "traded", "closing")),
    ):
        for name in parts:
            assert np.array_equal(getattr(book, name), getattr(other, name), equal_nan=True), name


@pytest.mark.parametrize("prices", [[100.0] * 3 + [250.0] * 97, [100.0] * 97 + [250.0] * 3])
def test_ruin_within_a_stretch_ends_it(prices, monkeypatch):
    bars = one_symbol(prices, prices)
    short = Signals(np.zeros(100, int), bars.time, -np.ones(100))
    slow = Backtest().run(Grid.build([bars]), short, 252)
    monkeypatch.setattr(stretch, "LONG", 0)
    fast = Backtest().run(Grid.build([bars]), short, 252)
    assert slow.ruined and fast.ruined
    np.testing.assert_allclose(fast.net, slow.net, rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rules=RULES)
def test_what_must_hold(seed, rules):
    bars = market(seed, 4, 80)
    ledger = rules.run(Grid.build(bars), signals(seed, bars), 252)
    np.testing.assert_allclose(ledger.net, ledger.gross - ledger.cost, atol=1e-15)
    np.testing.assert_allclose(ledger.equity, np.cumprod(1 + ledger.net), rtol=1e-12)
    assert (
        (ledger.cost >= 0).all() and (ledger.turnover >= 0).all() and ledger.net[0] == pytest.approx(ledger.risk_free)
    )
    assert ledger.contribution.shape == (4,)
    assert (ledger.borrow <= ledger.cost + 1e-15).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(10, 70), execution=st.sampled_from(["next_open", "next_close"]))
def test_rows_up_to_a_bar_do_not_change_with_later_bars_and_signals(seed, cut, execution):
    bars = market(seed, 3, 80, gaps=0.0)
    all_signals = signals(seed, bars)
    short = [b.take(slice(0, cut)) for b in bars]
    kept = all_signals.time <= bars[0].time[cut - 1]
    early = Signals(all_signals.symbol[kept], all_signals.time[kept], all_signals.value[kept])
    rules = Backtest(execution=execution)
    whole, part = rules.run(Grid.build(bars), all_signals, 252), rules.run(Grid.build(short), early, 252)
    np.testing.assert_array_equal(whole.net[: len(part.net)], part.net)


def one_symbol(open_: list[float], close: list[float]):
    bars = market(0, 1, len(close), 0.0)[0]
    prices = {"open": np.array(open_), "close": np.array(close)}
    prices |= {"high": np.maximum(*prices.values()), "low": np.minimum(*prices.values())}
    return replace(bars, **prices)


@pytest.mark.parametrize(
    ("execution", "expected"),
    [("next_open", [0.0, 120 / 110 - 1, 132 / 120 - 1]), ("next_close", [0.0, 0.0, 132 / 120 - 1])],
)
def test_a_signal_of_the_first_bar_earns_from_the_next_open_or_close(execution, expected):
    bars = one_symbol([100, 110, 121], [105, 120, 132])
    always = Signals(np.zeros(3, int), bars.time, np.ones(3))
    free = Backtest(execution, 0, 0, 0)
    np.testing.assert_allclose(free.run(Grid.build([bars]), always, 252).net, expected, atol=1e-12)


def test_costs_are_paid_a_side_and_a_flip_is_two():
    bars = one_symbol([100.0] * 4, [100.0] * 4)
    flip = Signals(np.zeros(4, int), bars.time, np.array([1.0, -1.0, 0.0, 0.0]))
    ledger = Backtest(commission_bps=1, slippage_bps=4, borrow_bps=0).run(Grid.build([bars]), flip, 252)
    np.testing.assert_allclose(ledger.turnover, [0, 1, 2, 1], rtol=2e-3)
    np.testing.assert_allclose(ledger.cost, [0, 5e-4, 10e-4, 5e-4], rtol=2e-3)
    assert ledger.n_trades == 3


def test_losing_everything_ends_it_and_nothing_is_traded_from_there_on():
    bars = one_symbol([100, 100, 250, 250, 250], [100, 100, 250, 250, 250])
    short = Signals(np.zeros(5, int), bars.time, -np.ones(5))
    ledger = Backtest().run(Grid.build([bars]), short, 252)
    assert ledger.ruined and ledger.equity.tolist()[2:] == [0, 0, 0]
    assert ledger.net[2] == -1 and (ledger.net[3:] == 0).all() and (ledger.turnover[3:] == 0).all()


def test_a_row_without_bars_of_the_market_is_refused():
    bars = market(1, 1, 20, 0.0)
    wrong = Signals(np.zeros(1, int), np.array(["1999-01-01"], "datetime64[ns]"), np.ones(1))
    with pytest.raises(DataError, match="a time that no symbol has a bar at"):
        Backtest().run(Grid.build(bars), wrong, 252)


def test_two_signals_of_one_symbol_and_time_are_refused():
    bars = market(1, 2, 20, 0.0)
    twice = Signals(np.array([0, 1, 0]), bars[0].time[[3, 3, 3]], np.array([1.0, 1.0, -1.0]))
    with pytest.raises(DataError, match=r"^signals: two of one symbol and time"):
        Backtest().run(Grid.build(bars), twice, 252)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("execution", "now"), ("commission_bps", -1), ("slippage_bps", True), ("cash_rate", 2), ("max_gross", 0),
     ("volatility_window", 1), ("weighting", "none"), ("borrow_bps", float("nan"))],
)  # fmt: skip
def test_a_wrong_setting_is_one_line(setting, value):
    with pytest.raises(ConfigError, match=rf"^backtest\.{setting}=.*must be [^\n]*$"):
        Backtest(**{setting: value})


def test_a_year_of_five_minute_bars_is_not_carried_bar_by_bar(monkeypatch: pytest.MonkeyPatch):
    """From 4,000 bars on; daily histories stay as they were summed."""
    from barwise.benchmarks.backtest import _five_minutes

    rows = []
    slowly = stretch._bar_by_bar
    monkeypatch.setattr(stretch, "_bar_by_bar", lambda a, begin, end: (rows.append(end - begin), slowly(a, begin, end)))
    for n, slow in ((3_000, True), (6_000, False)):
        del rows[:]
        grid = Grid.build(_five_minutes(1, n))
        Backtest().run(grid, Signals(np.zeros(n, int), grid.time, np.sign(np.sin(np.arange(n)))), 73_584)
        assert (sum(rows) > 100) == slow
