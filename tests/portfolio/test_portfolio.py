"""From scores and signals to weights: rules beside plain ones, limits on every bar, no look ahead."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.errors import ConfigError
from barwise.portfolio.context import Context
from barwise.portfolio.holding import averaged, drifted, holding_bars
from barwise.portfolio.limits import Limits, approach
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import deciles, equal, proportional, topk_dropout, volatility
from tests.reference import portfolio as plain

RULES = {
    "equal": equal,
    "volatility": partial(volatility, window=5),
    "proportional": proportional,
    "deciles": partial(deciles, quantiles=4),
    "topk_dropout": partial(topk_dropout, k=5, drop=2),
}


def context(seed: int = 0, bars: int = 60, symbols: int = 12, holes: float = 0.1) -> Context:
    draw = np.random.default_rng(seed)
    shape = (bars, symbols)
    has = draw.random(shape) > holes
    returns = np.where(has, draw.normal(0, 0.02, shape), np.nan)
    score = np.where(has, draw.normal(size=shape), np.nan)
    return Context(
        time=pd.bdate_range("2020-01-01", periods=bars).to_numpy("datetime64[ns]"),
        symbols=tuple(f"S{i}" for i in range(symbols)),
        score=score,
        signal=np.where(has, np.sign(np.nan_to_num(score)) * (np.abs(np.nan_to_num(score)) > 0.7), 0.0),
        has=has,
        inside=np.ones(shape, bool),
        returns=returns,
        held=np.zeros(symbols),
        groups={"sector": np.broadcast_to(np.arange(symbols) % 3, shape)},
    )


def test_equal_shares_are_among_the_members_of_the_bar():
    c = context(symbols=4, holes=0.0)
    c = Context(**{**vars_of(c), "inside": np.tile([True, True, False, True], (60, 1)), "signal": np.ones((60, 4))})
    np.testing.assert_allclose(equal(c), 1 / 3)  # of the three in the universe, not of all four


def test_topk_dropout_is_qlibs():
    c = context(holes=0.05)
    right = plain.topk_dropout(pd.DataFrame(c.score, columns=c.symbols), k=5, drop=2)
    np.testing.assert_array_equal(topk_dropout(c, k=5, drop=2), right.to_numpy())
    changed = (np.diff(right.to_numpy() > 0, axis=0) != 0).sum(axis=1)
    assert changed.max() <= 4 and changed.sum() > 50


def test_deciles_reach_the_gross_asked_for():
    c = context(symbols=30)
    right = plain.deciles(pd.DataFrame(c.score, columns=c.symbols), 10, 1.0)
    found = deciles(c)
    np.testing.assert_allclose(found, right.to_numpy(), atol=1e-15)
    np.testing.assert_allclose(np.abs(found).sum(axis=1), 1.0)
    np.testing.assert_allclose(deciles(c, short=False).sum(axis=1), 1.0)
    flat = Context(**{**vars_of(c), "score": np.ones_like(c.score)})
    assert not deciles(flat).any()


def vars_of(c: Context) -> dict[str, object]:
    return {
        name: getattr(c, name) for name in ("time", "symbols", "score", "signal", "has", "inside", "returns", "held")
    }


def test_proportional_uses_the_whole_account():
    weights = proportional(context())
    size = np.abs(weights).sum(axis=1)
    assert np.all(np.isclose(size, 1.0) | (size == 0)) and (size > 0).mean() > 0.9


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "settings",
    [{}, {"hold": 3}, {"rebalance": 4}, {"rebalance": "weekly"}, {"volatility_target": 0.1, "volatility_window": 10},
     {"max_turnover": 0.2}, {"net": 0, "max_weight": 0.1, "hold": 2}],
)  # fmt: skip
def test_a_row_knows_nothing_of_later_ones(rule, settings):
    c, book = context(3), Portfolio(RULES[rule], **settings)
    whole = book.weights(c)
    for row in (0, 11, 30, 58):
        np.testing.assert_array_equal(book.weights(c.until(row))[row], whole[row])


@given(
    seed=st.integers(0, 500),
    rule=st.sampled_from(sorted(RULES)),
    hold=st.integers(1, 4),
    long_only=st.booleans(),
    gross=st.none() | st.floats(0.1, 2),
    net=st.none() | st.floats(0, 0.5),
    max_weight=st.none() | st.floats(0.01, 0.5),
    max_group=st.none() | st.floats(0.05, 1),
    max_positions=st.none() | st.integers(1, 12),
    target=st.none() | st.floats(0.01, 0.4),
)
@settings(max_examples=150, deadline=None)
def test_every_limit_holds_on_every_bar(
    seed, rule, hold, long_only, gross, net, max_weight, max_group, max_positions, target
):
    c = context(seed, bars=25)
    book = Portfolio(
        RULES[rule], hold, 1, long_only, gross, net, max_weight, max_group, max_group and "sector", max_positions,
        None, target, 5,
    )  # fmt: skip
    w, slack = book.weights(c, max_gross=1.5), 1e-9
    size = np.abs(w)
    assert np.isfinite(w).all()
    assert size.sum(axis=1).max() <= min(gross or 1.5, 1.5) + slack
    assert not long_only or w.min() >= 0
    assert net is None or np.abs(w.sum(axis=1)).max() <= net + slack
    assert max_weight is None or size.max() <= max_weight + slack
    assert max_positions is None or np.count_nonzero(w, axis=1).max() <= max_positions
    for code in range(3):
        inside = c.groups["sector"][0] == code
        assert max_group is None or size[:, inside].sum(axis=1).max() <= max_group + slack


@given(seed=st.integers(0, 500), most=st.floats(0.01, 0.5), positions=st.integers(1, 12), hold=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_turnover_is_limited_on_every_bar(seed, most, positions, hold):
    c = context(seed, bars=40)
    book = Portfolio(RULES["deciles"], hold, max_turnover=most, max_positions=positions, gross=2.0)
    w = book.weights(c, max_gross=2.0)
    held = np.zeros(len(c.symbols))
    for t in range(len(w)):
        held = drifted(held, 1 + np.where(c.has[t], np.nan_to_num(c.returns[t]), 0.0)) if t else held
        forced = np.abs(book.limits(2.0)(held[None])[0] - held).sum()  # drift above the gross must be sold at once
        assert np.abs(w[t] - held).sum() <= max(most, forced) + 1e-9
        assert np.count_nonzero(w[t]) <= positions
        held = w[t]


def test_without_a_limit_turnover_changes_nothing():
    c = context()
    free, capped = (Portfolio(equal, 1, max_turnover=m).weights(c) for m in (None, 100))
    np.testing.assert_allclose(capped, free, atol=1e-15)


@pytest.mark.parametrize("bars", [1, 2, 5])
def test_tranches_are_the_mean_of_the_last_bars(bars):
    weights = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(
        averaged(weights, np.ones((50, 3), bool), bars), plain.tranches(weights, bars), atol=1e-14
    )


def test_orders_come_when_they_are_asked_for():
    c = context(bars=70)
    weekly = np.isfinite(Portfolio(rebalance="weekly").weights(c)).all(axis=1)
    days = pd.DatetimeIndex(c.time)
    assert (
        weekly[1:].tolist()
        == (days[1:].isocalendar().week.to_numpy() != days[:-1].isocalendar().week.to_numpy()).tolist()
    )
    third = np.isfinite(Portfolio(rebalance=3).weights(c)).all(axis=1)
    assert third.tolist() == [t % 3 == 0 for t in range(70)]


def test_the_volatility_is_the_one_asked_for():
    c = context(bars=400, holes=0.0)
    book = Portfolio(proportional, 1, volatility_target=0.05, volatility_window=60, gross=50.0)
    w = book.weights(c, max_gross=50.0)
    earned = (w[:-1] * c.returns[1:]).sum(axis=1)[60:]
    assert earned.std(ddof=1) * np.sqrt(252) == pytest.approx(0.05, rel=0.1)


def test_a_label_of_five_bars_is_held_for_five():
    time = pd.bdate_range("2020-01-01", periods=30).to_numpy("datetime64[ns]")
    end = np.append(time[6:], np.full(6, np.datetime64("NaT", "ns")))
    both = np.tile(time, 2), np.tile(end, 2), np.repeat([0, 1], 30)
    assert holding_bars(*both) == 5
    assert Portfolio().holding(5).tranches == 5 and Portfolio(hold=2).holding(5).tranches == 2


def test_what_is_held_beyond_the_limits_is_sold_first():
    limits = Limits(gross=1.0, max_weight=0.3)
    found = approach(np.array([0.6, 0.3, 0.0]), np.array([0.0, 0.0, 0.3]), limits, 0.4)
    assert np.abs(found - [0.6, 0.3, 0.0]).sum() == pytest.approx(0.4) and found[0] <= 0.3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hold": 0}, "portfolio.hold=0"), ({"hold": "long"}, "portfolio.hold=long"),
        ({"gross": 0}, "portfolio.gross=0"),
        ({"net": -1}, "portfolio.net=-1"), ({"max_positions": 1.5}, "max_positions=1.5"),
        ({"max_group": 0.5}, "set portfolio.group"), ({"group": "sector"}, "set portfolio.max_group"),
        ({"rebalance": "hourly"}, "portfolio.rebalance=hourly"), ({"volatility_window": 1}, "volatility_window=1"),
        ({"long_only": "yes"}, "long_only=yes"), ({"max_turnover": float("nan")}, "max_turnover=nan"),
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_one_line(given, said):
    with pytest.raises(ConfigError, match=said):
        Portfolio(**given)


def test_a_group_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"portfolio\.group=country: the bars have sector"):
        Portfolio(max_group=0.5, group="country").weights(context())


@pytest.mark.parametrize(
    ("rule", "enough", "said"),
    [
        ("topk_dropout portfolio.rule.drop=1 portfolio.rule.k=", 5, "so that all are held or sold in turns"),
        ("deciles portfolio.rule.quantiles=", 6, "so that nothing is held; ask for 6 or fewer"),
    ],
)
def test_too_few_symbols_for_a_rule_are_an_alert(rule, enough, said, smoke):
    def alerts(asked: int) -> list[str]:
        run = smoke("data.n_symbols=6", *f"portfolio={rule}{asked}".split())
        found = json.loads((run / "run.json").read_text()).get("alerts", [])
        return [one for one in found if "no bar has more than 6 symbols with a score" in one]

    assert len(told := alerts(enough + 1)) == 1 and said in told[0]
    assert not alerts(enough)
