"""Stops, targets, trailing stops, time limits and barriers: against a plain loop, by hand, and as the label says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.audit.ledger import ledger_adds_up
from barwise.backtest import stretch
from barwise.backtest.costs import Impact
from barwise.backtest.exits import Barriers, Stops
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars
from barwise.errors import ConfigError
from barwise.labels import forward_return, past_volatility, triple_barrier
from tests.backtest.markets import market, signals
from tests.reference.exits import plain_trades

EXECUTIONS = ("next_open", "next_close")
DISTANCES = st.none() | st.sampled_from([0.5, 1.0, 2.0, 4.0])
PATHS = {
    "seed": st.integers(0, 1_000_000),
    "stop": DISTANCES, "target": DISTANCES, "trailing": DISTANCES,
    "bars": st.none() | st.integers(1, 9),
    "unit": st.sampled_from(["volatility", "percent"]),
    "execution": st.sampled_from(EXECUTIONS),
    "calm": st.floats(0, 1),
}  # fmt: skip


def wild(bars: Bars, by: float = 0.01) -> Bars:
    """The bars with wider ranges."""
    return replace(bars, high=bars.high * (1 + by), low=bars.low * (1 - by))


def equals_the_plain_loop(seed, stop, target, trailing, bars, unit, execution, calm):
    if stop is target is trailing is bars is None:
        stop = 1.0
    exits = Stops(stop, target, trailing, bars, unit, window=5)
    path = wild(market(seed, 1, 60, 0.0)[0])
    random = np.random.default_rng(seed)
    value = random.integers(-1, 2, 60).astype(float)
    value = np.where(random.random(60) < calm, value[0], value)  # signals that stand for long, or for a bar
    rules = Backtest(execution, 0, 0, 0, keep_positions=True, exits=exits)
    grid = Grid.build([path])
    found = rules.run(grid, Signals(np.zeros(60, int), path.time, value), 252).held.trades(grid, execution)
    distance = np.append(np.nan, past_volatility(path.close, 5)[:-1]) if unit == "volatility" else np.full(60, 0.01)
    if stop is target is trailing is None:
        distance = np.ones(60)
    known = [float(x) if x > 0 else None for x in distance]
    expected = plain_trades(path, [None, *map(int, value[:-1])], known, exits, execution, 59)
    place = np.searchsorted(path.time, [found["entry"], found["exit"]])
    assert list(zip(*place.tolist(), found["side"].tolist(), strict=True)) == [
        (t.entry, t.exit, t.side) for t in expected
    ]
    told = [{"flip": "signal"}.get(why, why) for why in found["ended"]]
    assert told == [{"flip": "signal"}.get(t.why, t.why) for t in expected]
    np.testing.assert_allclose(found["entry_price"], [t.entry_price for t in expected], rtol=1e-12)
    np.testing.assert_allclose(found["exit_price"], [t.exit_price for t in expected], rtol=1e-12)


test_it_equals_a_plain_loop = settings(max_examples=100, deadline=None)(given(**PATHS)(equals_the_plain_loop))
test_it_equals_a_plain_loop_on_a_thousand_paths = pytest.mark.slow(
    settings(max_examples=1000, deadline=None)(given(**PATHS)(equals_the_plain_loop))
)


def by_hand(open_, high, low, close):
    time = np.datetime64("2024-01-01", "ns") + np.arange(len(open_)) * np.timedelta64(1, "D")
    prices = (np.array(x, float) for x in (open_, high, low, close))
    return Bars("A", time, *prices, np.full(len(open_), 1e6))


def traded(bars, value, exits, execution="next_open"):
    grid = Grid.build([bars])
    rules = Backtest(execution, 0, 0, 0, keep_positions=True, exits=exits)
    ledger = rules.run(grid, Signals(np.zeros(len(bars), int), bars.time, np.array(value, float)), 252)
    assert not [x for x in ledger_adds_up(rules, ledger, grid, (bars,)) if not isinstance(x, int)]
    return ledger, ledger.held.trades(grid, execution)


@pytest.mark.parametrize(
    ("side", "bar", "exits", "price", "why"),
    [  # what the third bar is like, bought at 100 at the open of the second
        (1, (99, 101, 94, 96), {"stop": 5}, 95, "stop"),
        (1, (93, 101, 92, 96), {"stop": 5}, 93, "stop"),  # a gap through the stop
        (1, (99, 106, 94, 96), {"stop": 5, "target": 5}, 95, "stop"),  # both touched: the worse
        (1, (99, 106, 98, 101), {"stop": 5, "target": 5}, 105, "target"),
        (1, (107, 108, 106, 107), {"stop": None, "target": 5}, 107, "target"),
        (-1, (101, 106, 99, 104), {"stop": 5}, 105, "stop"),
        (-1, (107, 108, 99, 104), {"stop": 5}, 107, "stop"),
        (-1, (99, 106, 94, 96), {"stop": 5, "target": 5}, 105, "stop"),
        (1, (101, 102, 97, 98), {"stop": None, "trailing": 4}, 104 * 0.96, "trailing stop"),  # the high before was 104
        (1, (101, 102, 99, 98), {"stop": None, "bars": 1}, 101, "time"),
    ],
)
def test_what_a_bar_does_to_a_position(side, bar, exits, price, why):
    first, late = [(100, 100, 100, 100), (100, 104, 99, 101)], [(96, 97, 95, 96)] * 2
    bars = by_hand(*zip(*first, bar, *late, strict=True))
    ledger, trades = traded(bars, [side] * 5, Stops(**exits, unit="percent"))
    assert (trades["exit_price"][0], trades["ended"][0]) == (pytest.approx(price), why)
    assert len(trades["side"]) == 1 and ledger.n_trades == 2  # it stays flat while the signal stands
    if side > 0:  # what is short is brought back to its weight at each open
        assert ledger.equity[-1] - 1 == pytest.approx(price / 100 - 1)


def test_a_flat_signal_opens_the_way_for_the_next_trade():
    bars = by_hand(*[[100.0] * 8] * 2, [100, 100, 90, 100, 100, 100, 100, 100], [100.0] * 8)
    _, trades = traded(bars, [1, 1, 1, 0, 1, 1, 1, 1], Stops(5, unit="percent"))
    assert trades["ended"].tolist() == ["stop", "open"]
    assert trades["entry"].tolist() == bars.time[[1, 5]].tolist()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_the_ledger_earns_what_the_triple_barriers_label_says(execution):
    count = 0
    for seed in range(6):
        bars = wild(market(seed, 1, 300, 0.0)[0], 0.005)
        labeler = partial(triple_barrier, horizon=6, up=0.8, down=0.7, execution=execution)
        labels = labeler(bars)
        value = np.random.default_rng(seed).integers(-1, 2, 300)
        ledger, trades = traded(bars, value, Barriers().of(labeler), execution)
        wealth = np.append(1.0, ledger.equity)
        entry, exit_ = (np.searchsorted(bars.time, trades[name]) for name in ("entry", "exit"))
        for k in np.flatnonzero(trades["ended"] != "open"):
            decided = entry[k] - 1
            assert trades["exit"][k] == labels.end[decided]
            if trades["side"][k] < 0 and trades["ended"][k] == "stop" and labels.y[decided] < 0:
                continue  # both barriers in one bar: the worse of a short is the upper
            earned = trades["side"][k] * labels.ret[decided]
            assert wealth[exit_[k] + 1] / wealth[entry[k]] - 1 == pytest.approx(earned, abs=1e-12)
            assert trades["gross"][k] == pytest.approx(earned, abs=0.01)
            count += 1
    assert count > 200


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("exits", [Stops(1.0, 1.5, 1.2, 7), Barriers(5, 0.8, 0.7, 20)], ids=["stops", "barriers"])
def test_each_bar_adds_up_and_a_stretch_at_once_is_the_same(execution, exits, monkeypatch):
    bars = [wild(b) for b in market(3, 3, 300, 0.1)]
    grid, given_signals = Grid.build(bars), signals(3, bars, "signs")
    rules = Backtest(execution, keep_positions=True, exits=exits, delisting_return=-0.3)
    slow = rules.run(grid, given_signals, 252)
    assert not [x for x in ledger_adds_up(rules, slow, grid, tuple(bars)) if not isinstance(x, int)]
    told = slow.held.trades(grid, execution)
    assert {"stop", "target"} <= set(told["ended"])
    monkeypatch.setattr(stretch, "LONG", 0)
    monkeypatch.setattr(stretch, "_LEAST", 2)
    fast = rules.run(grid, given_signals, 252)
    for name in ("net", "cost", "equity", "turnover", "positions"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-12)
    again = fast.held.trades(grid, execution)
    assert all((told[n] == again[n]).all() for n in ("entry", "exit", "ended", "exit_price"))


def test_a_fill_outside_its_bar_is_a_leak():
    bars = by_hand([100, 100, 99, 96], [100, 104, 101, 97], [100, 99, 94, 95], [100, 101, 96, 96])
    ledger, _ = traded(bars, [1] * 4, Stops(5, unit="percent"))
    better = replace(ledger, fills=ledger.fills * 1.2)
    rules = Backtest(commission_bps=0, slippage_bps=0, exits=Stops(5, unit="percent"))
    found = [x for x in ledger_adds_up(rules, better, Grid.build([bars]), (bars,)) if not isinstance(x, int)]
    assert any("no order could have had" in x.text for x in found)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Stops(None), r"^exits=stops: no exits\.stop, target"),
        (lambda: Stops(100, unit="percent"), r"below 100 percent"),
        (lambda: Stops(-1), r"^exits\.stop=-1: must be"),
        (lambda: Barriers().of(partial(forward_return, horizon=5)), r"^exits=barriers: .*labels=triple_barrier"),
        (lambda: Barriers(horizon=3).of(partial(triple_barrier, horizon=5)), r"set labels\.horizon=3$"),
    ],
)
def test_a_mistake_is_one_line(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_a_stop_asks_for_no_limit_of_volume():
    bars = market(1, 1, 60, 0.0)
    rules = Backtest(costs=Impact(), exits=Stops())
    with pytest.raises(ConfigError, match=r"set costs\.participation=null"):
        rules.run(Grid.build(bars), signals(1, bars), 252)


def test_a_setting_of_another_choice_names_it():
    from omegaconf import OmegaConf

    from barwise.console.messages import one_line

    with pytest.raises(Exception) as error:
        config = OmegaConf.create({"exits": {}})
        OmegaConf.set_struct(config, True)
        _ = config.exits.stop
    assert one_line(error.value, started=False)[1].endswith("set exits=stops too")
