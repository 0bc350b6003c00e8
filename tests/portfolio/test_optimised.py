"""The optimised portfolio: cvxpy's own weights, every limit on every bar, no look ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from barwise.audit.portfolio import weights_wait
from barwise.errors import ConfigError
from barwise.portfolio.holding import drifted, growth_of
from barwise.portfolio.optimised import Optimised
from barwise.portfolio.portfolio import Portfolio
from tests.portfolio.test_portfolio import context
from tests.reference import optimised as plain

CASES = [
    ({}, {}),
    ({}, {"long_only": True, "max_weight": 0.2}),
    ({}, {"net": 0.1, "max_weight": 0.15, "max_turnover": 0.4}),
    ({"neutral": ["market", "sector"]}, {"max_weight": 0.2}),
    ({"neutral": ["market"]}, {"net": 0, "max_group": 0.5, "group": "sector"}),
    ({"turnover_penalty": 0.0, "risk_aversion": 20.0}, {"gross": 0.7, "volatility_target": 0.04}),
]


@pytest.mark.parametrize(("rule", "limits"), CASES)
def test_the_weights_are_cvxpys(rule, limits):
    c = context(4, bars=50, symbols=12, holes=0.0)
    held = np.random.default_rng(1).normal(0, 0.02, 12)
    one = Optimised(window=40, **rule)
    book = Portfolio(one, 1, 1, **limits)
    asked = replace(
        c, held=held, limits=book.limits(1.0), limited=book._groups(c), max_turnover=book.max_turnover,
        volatility=book.volatility_target and book.volatility_target / np.sqrt(252),
    )  # fmt: skip
    past = c.returns[-40:] - c.returns[-40:].mean(axis=0)
    covariance = LedoitWolf(assume_centered=True).fit(past).covariance_
    score, market = c.score[-1], c.returns[-40:].mean(axis=1)
    alpha = 0.02 * np.sqrt(np.diag(covariance)) * score / np.sqrt((score**2).mean())
    beta = [np.cov(r, market)[0, 1] / market.var(ddof=1) for r in c.returns[-40:].T]
    sector = c.groups["sector"][-1]
    right = plain.weights(
        alpha, covariance, held, one.risk_aversion, one.turnover_penalty, limits.get("gross", 1.0),
        **{k: v for k, v in limits.items() if k in ("long_only", "max_weight", "net", "max_group")}, groups=sector,
        most=limits.get("max_turnover"), beta=np.array(beta) if "market" in one.neutral else None,
        flat=sector if "sector" in one.neutral else None, deviation=asked.volatility,
    )  # fmt: skip
    np.testing.assert_allclose(one(asked), right, atol=2e-6)
    assert np.abs(right).sum() > 0.3


@given(
    seed=st.integers(0, 500),
    long_only=st.booleans(),
    gross=st.none() | st.floats(0.3, 1.4),
    net=st.none() | st.floats(0, 0.5),
    max_weight=st.none() | st.floats(0.05, 0.5),
    max_group=st.none() | st.floats(0.1, 1),
    max_positions=st.none() | st.integers(2, 8),
    max_turnover=st.none() | st.floats(0.02, 0.5),
    neutral=st.sampled_from([(), ("market",), ("sector",), ("market", "sector")]),
)
@settings(max_examples=12, deadline=None)
def test_every_limit_holds_on_every_bar(
    seed, long_only, gross, net, max_weight, max_group, max_positions, max_turnover, neutral
):
    neutral = () if long_only else neutral
    max_positions = None if max_turnover else max_positions  # both: a position too many may have to be sold at once
    c = context(seed, bars=22, symbols=9)
    c.inside[15:, 2] = False
    one = Optimised(window=12, neutral=neutral)
    book = Portfolio(
        one, 1, 1, long_only, gross, net, max_weight, max_group, max_group and "sector", max_positions, max_turnover
    )
    w, slack, held, growth = book.weights(c, max_gross=1.5), 1e-9, np.zeros(9), growth_of(c)
    size = np.abs(w)
    assert np.isfinite(w).all() and not w[15:, 2].any()
    assert size[8:].sum() > 0 or max_positions or (long_only and net is not None)
    assert size.sum(axis=1).max() <= min(gross or 1.5, 1.5) + slack
    assert not long_only or w.min() >= 0
    assert net is None or np.abs(w.sum(axis=1)).max() <= net + slack
    assert max_weight is None or size.max() <= max_weight + slack
    assert max_positions is None or np.count_nonzero(w, axis=1).max() <= max_positions
    for code in range(3):
        inside = c.groups["sector"][0] == code
        assert max_group is None or size[:, inside].sum(axis=1).max() <= max_group + slack
        assert "sector" not in neutral or np.abs(w[:, inside].sum(axis=1)).max() <= slack
    for t in range(len(w)):
        held = drifted(held, growth[t]) if t else held
        now = replace(
            c.until(t), held=held, limits=book.limits(1.5), limited=book._groups(c), max_turnover=max_turnover
        )
        chosen = np.flatnonzero((one._known(now) | (held != 0)) & now.inside[-1])
        if not len(chosen):
            continue
        problem = one._problem(now, chosen, one._known(now)[chosen])
        assert not problem.exposures.size or np.abs(problem.exposures @ w[t, chosen]).max() <= slack
        if max_turnover is not None and np.abs(w[t] - held).sum() > max_turnover + slack:
            gone = np.abs(np.delete(held, chosen)).sum()
            assert gone > max_turnover or problem.solve() is None, "more was traded than had to be"
        held = w[t]


@pytest.mark.parametrize("limits", [{}, {"max_turnover": 0.2, "net": 0}, {"rebalance": 4, "max_positions": 5}])
def test_a_row_knows_nothing_of_later_ones(limits):
    c, book = context(3, bars=40), Portfolio(Optimised(window=15), **limits)
    whole = book.weights(c)
    for row in (0, 20, 32):
        np.testing.assert_array_equal(book.weights(c.until(row))[row], whole[row])
    assert np.nansum(np.abs(whole)) > 5


def test_the_audit_looks_where_the_window_is_full():
    found = list(weights_wait(Portfolio(Optimised(window=120), rebalance=5), 0))
    assert found and all(isinstance(f, int) for f in found)

    def by_all_bars(c):
        covariance = LedoitWolf().fit(np.nan_to_num(c.returns)).covariance_
        return np.nan_to_num(c.score) @ np.linalg.inv(covariance) / 1e5

    (finding,) = [f for f in weights_wait(Portfolio(by_all_bars), 0) if not isinstance(f, int)]
    assert finding.level == "leak" and "by_all_bars" in finding.text


def test_more_costly_trading_trades_less():
    c = context(5, bars=60, symbols=12)
    traded = []
    for penalty in (0.0, 1e-4, 1e-2):
        w = Portfolio(Optimised(window=20, turnover_penalty=penalty), 1, 1).weights(c)
        traded.append(np.abs(np.diff(w[10:], axis=0)).sum())
    assert traded[0] > traded[1] > 2 * traded[2]


def test_a_rule_of_ones_own_may_read_what_is_held():
    seen = []

    def half_way(c):
        seen.append(c.held.copy())
        return 0.5 * (c.held + np.sign(np.nan_to_num(c.score[-1])) / 12) * (c.volume[-1] > 0) * (c.extra["pe"][-1] > 0)

    half_way.reads_held = True
    c = context(6, bars=10, holes=0.0)
    c = replace(c, columns=lambda name: np.ones(c.has.shape), extra_names=("pe",))
    w = Portfolio(half_way, 1, 3, gross=0.2, max_turnover=0.15).weights(c)
    assert np.isfinite(w).all(axis=1).tolist() == [t % 3 == 0 for t in range(10)]
    assert not seen[0].any() and len(seen) == 4
    held = w[0]
    for t in (1, 2, 3):
        held = drifted(held, growth_of(c)[t])
    np.testing.assert_allclose(seen[1], held, atol=1e-15)
    assert np.abs(w[3] - held).sum() <= 0.15 + 1e-12 and list(c.extra) == ["pe"]


def test_without_the_solver_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("barwise.portfolio.optimised.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the solver Clarabel; pip install 'barwise\[optimised\]'"):
        Optimised()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Optimised(window=1), "portfolio.rule.window=1"),
        (lambda: Optimised(ic=2), "portfolio.rule.ic=2"),
        (lambda: Portfolio(Optimised(), hold=5), "portfolio.hold=5: this rule reads what is held"),
        (lambda: Portfolio(Optimised(neutral=["market"]), 1, long_only=True), "portfolio.rule.neutral"),
        (lambda: Portfolio(Optimised(window=12, neutral=["country"])).weights(context()), "country: the bars have"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(make, said):
    with pytest.raises(ConfigError, match=said):
        make()
