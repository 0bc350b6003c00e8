"""Every part in conf/ keeps to its contract, a new one from the day it is added; broken parts are told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from barwise.backtest.ledger import Backtest
from barwise.commands.contracts import _composed, _options, _out_of_reach
from barwise.contracts import Broken, check
from barwise.data import synthetic
from barwise.experiment.recipe import parts_of
from barwise.portfolio.portfolio import Portfolio
from barwise.samples import Labels
from barwise.signals import FixedThreshold
from barwise.strategies.hooks import mistakes
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.xgb import XGBoostStrategy

OPTIONS = [option for option in _options([]) if not _out_of_reach(option)]
SMALL = {
    "strategy/random_forest": ["strategy.estimator.n_estimators=10"],
    "strategy/extra_trees": ["strategy.estimator.n_estimators=10"],
    "strategy/hist_gradient_boosting": ["strategy.estimator.max_iter=10"],
    "strategy/xgboost": ["strategy.n_estimators=30"],
    "strategy/catboost": ["strategy.n_estimators=30"],
    "strategy/blend": ["strategy.members.xgboost.n_estimators=10", "strategy.members.lightgbm.n_estimators=10"],
}


LONG = {"strategy/extra_trees", "strategy/hist_gradient_boosting", "strategy/net/mlp", "strategy/net/tcn",
        "strategy/net/transformer", "strategy/lstm"}  # fmt: skip


@pytest.mark.parametrize("option", [pytest.param(x, marks=pytest.mark.slow) if x in LONG else x for x in OPTIONS])
def test_it_keeps_to_its_contract(option):
    assert check(option.rpartition("/")[0], parts_of(_composed(option, SMALL.get(option, [])))) >= 3


class Peeks:
    """A strategy whose scores depend on which rows are asked for."""

    lookback, scale, takes_nan = 1, False, False

    def fit(self, train, valid, context):
        return self

    def predict(self, samples):
        x = samples.X[:, 0]
        return np.clip((x - x.mean()) / (3 * x.std()), -1, 1)

    def save(self, folder):
        pass

    @classmethod
    def load(cls, folder):
        return cls()


class Loud(Peeks):
    def predict(self, samples):
        return samples.X[:, 0] * 1e6


def tomorrow(bars):
    return {"x": np.append(bars.close[1:], bars.close[-1])}


def at_once(bars):
    ret = np.append(np.diff(np.log(bars.close)), np.nan)
    return Labels(np.sign(ret), ret, bars.time.copy(), np.ones(len(bars)))


def unsteady():
    return synthetic.load(n_symbols=1, n_bars=50, seed=int(np.random.default_rng().integers(1 << 30)))


def misplaced():
    market = synthetic.load(n_symbols=2, n_bars=50)
    return replace(market, bars=market.bars[::-1])


def opaque():
    return replace(synthetic.load(n_symbols=1, n_bars=50), facts={"source": object()})


def nearly_across(bars):
    return {"x": bars.close}


nearly_across.across_symbol = True


def nearly_scores(context):
    return context.signal


nearly_scores.read_scores = True


@dataclass(frozen=True)
class Nearly(Backtest):
    @property
    def intra_bar(self):
        return True


class Always(FixedThreshold):
    def __call__(self, score, time):
        return np.ones(len(score))


@pytest.mark.parametrize(
    ("group", "change", "line"),
    [
        ("features", {"features": {"x": tomorrow}}, "x does not change when later bars are taken away"),
        ("labels", {"labels": at_once}, "a label ends later than its bar"),
        ("strategy", {"strategy": Peeks()}, "a score does not depend on the rows beside it"),
        ("strategy", {"strategy": Loud()}, "scores lie between -1 and 1"),
        ("signals", {"signals": Always()}, "a row without a score is flat"),
        ("data", {"data": unsteady}, "asked again, it gives the same bars"),
        ("data", {"data": misplaced}, "symbols come in order"),
        ("data", {"data": opaque}, "its facts can stand in run.json"),
        ("features", {"features": {"x": nearly_across}}, "did you mean across_symbols"),
        ("portfolio", {"backtest": Backtest(portfolio=Portfolio(nearly_scores))}, "did you mean reads_scores"),
        ("backtest", {"backtest": Nearly()}, "did you mean intrabar"),
    ],
)
def test_what_breaks_a_contract_is_named(group, change, line):
    with pytest.raises(Broken, match=line):
        check(group, replace(parts_of(_composed("signals/quantile", [])), **change))


class Misspelt(Peeks):
    """A hook that is nearly right, half of a pair, and one of another kind."""

    needs_troch = True


class Half(Peeks):
    n_seeds = 3


class Odd(Peeks):
    importance = 0.5


class Own(Peeks):
    """What is nobody's hook is nobody's business."""

    colour = "blue"

    def importance(self) -> dict[str, float]:
        return {}


class Listed(Peeks):
    """A setting by the name of a hook's method."""

    def __init__(self, members: dict[str, int]) -> None:
        self.members = members


class Kept(XGBoostStrategy):
    """A hook that was to replace the inherited one."""

    def contribution(self, samples):
        return None


def test_a_misspelt_hook_is_told() -> None:
    assert not list(mistakes(Listed({"one": 1})))
    assert list(mistakes(Kept())) == ["contribution is no hook; did you mean contributions?"]
    assert list(mistakes(Misspelt())) == ["needs_troch is no hook; did you mean needs_torch?"]
    assert list(mistakes(Half())) == ["n_seeds without members has no effect; Ensemble needs both"]
    assert list(mistakes(Odd())) == ["importance is 0.5, not a method"]
    assert not list(mistakes(Own()))


@pytest.mark.parametrize("kind", [XGBoostStrategy, LightGBMStrategy])
def test_shipped_strategies_have_no_such_mistake(kind: type) -> None:
    assert not list(mistakes(kind()))


def test_contracts_name_a_misspelt_hook() -> None:
    with pytest.raises(Broken, match="did you mean needs_torch"):
        check("strategy", replace(parts_of(_composed("signals/quantile", [])), strategy=Misspelt()))
