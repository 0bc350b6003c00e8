"""Why a trade: base and contributions sum to the raw margin, for classes, regressions and ranks; saved and loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from barwise.samples import Samples
from barwise.strategies.abstain import Abstaining
from barwise.strategies.averaging import Averaged
from barwise.strategies.base import FitContext
from barwise.strategies.blend import Blend
from barwise.strategies.hooks import Contributing
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.meta import Meta
from barwise.strategies.rule import FeatureRule
from barwise.strategies.search import Search, Searched
from barwise.strategies.select import Gain, Selected
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from tests.strategies.panels import panel_of

TREES = XGBoostStrategy(n_estimators=10)
MADE = {
    "averaged": Averaged(XGBoostStrategy(n_estimators=10, subsample=0.5), n_seeds=2),
    "selected": Selected(Averaged(TREES, n_seeds=1), Gain(keep=2)),
    "blended": Blend({"one": TREES, "two": LightGBMStrategy(n_estimators=10, min_data_in_leaf=5)}),
    "abstaining": Abstaining(TREES),
    "searched": Searched(lambda given, final: XGBoostStrategy(**{"n_estimators": 10, **given}),
                         Search({"n_estimators": [8, 10]}), fixed={"n_estimators": 8}),
}  # fmt: skip
CASES = MADE | {
    "xgboost, classes": XGBoostStrategy(n_estimators=20),
    "xgboost, returns": XGBoostStrategy(n_estimators=20, task="regress"),
    "xgboost, ranks": XGBoostStrategy(n_estimators=10, objective="rank:ndcg"),
    "lightgbm, classes": LightGBMStrategy(n_estimators=20, min_data_in_leaf=5),
    "lightgbm, returns": LightGBMStrategy(n_estimators=20, task="regress", min_data_in_leaf=5),
    "lightgbm, ranks": LightGBMStrategy(n_estimators=10, objective="lambdarank", min_data_in_leaf=5),
}


@pytest.mark.parametrize("name", CASES)
def test_base_and_contributions_sum_to_the_margin(name: str, tmp_path: Path):
    made = panel_of((150, 150, 150), 4, seed=1, gaps=(7, 160))
    moved = np.nan_to_num(made.X[:, 1]) + 0.5 * np.random.default_rng(0).standard_normal(450)
    panel = replace(made, y=moved if "returns" in name or "ranks" in name else np.sign(moved), ret=0.01 * moved)
    day = np.tile(np.arange(150), 3)
    train, valid, test = (
        Samples(panel, np.flatnonzero((day >= a) & (day < b))) for a, b in ((0, 90), (90, 120), (120, 150))
    )
    model = CASES[name].fit(train, valid, FitContext())
    assert isinstance(model, Contributing)
    found, margin = model.contributions(test), model.margin(test)
    assert found.shape == (90, 5) and margin.shape == (90,)
    np.testing.assert_allclose(found.sum(axis=1), margin, rtol=1e-5, atol=1e-5)
    assert np.abs(found[:, 1]).mean() > 3 * np.abs(found[:, [0, 2, 3]]).mean(axis=0).max(), "the feature that tells"
    score = model.predict(test)
    known = np.abs(score) < 1
    order = np.argsort(margin[known], kind="stable")
    assert np.corrcoef(np.argsort(order), np.argsort(np.argsort(score[known])))[0, 1] > 0.9
    model.save(tmp_path)
    again = type(model).load(tmp_path)
    np.testing.assert_allclose(again.contributions(test), found, rtol=1e-6, atol=1e-7)


def test_who_is_made_of_one_that_does_not_know_says_nothing():
    panel = panel_of((150, 150), 3, seed=1)
    train = Samples(panel, np.arange(300))
    model = Blend({"one": TREES, "two": SklearnStrategy(LinearRegression())}).fit(train, train, FitContext())
    assert not isinstance(model, Contributing)


@pytest.mark.parametrize("first", [FeatureRule("f1"), SklearnStrategy(LinearRegression())], ids=["rule", "learned"])
def test_a_bet_is_for_what_speaks_for_its_side(first, tmp_path: Path):
    made = panel_of((300, 300), 4, seed=1, gaps=(7, 310))
    x = np.nan_to_num(made.X)
    moved = x[:, 1] * (x[:, 2] > 0) + 0.1 * np.random.default_rng(0).standard_normal(600)  # f1's sign pays where f2 > 0
    panel = replace(made, y=np.sign(moved), ret=0.01 * moved)
    day = np.tile(np.arange(300), 2)
    train, valid, test = (
        Samples(panel, np.flatnonzero((day >= a) & (day < b))) for a, b in ((0, 200), (200, 250), (250, 300))
    )
    second = XGBoostStrategy(n_estimators=20, max_depth=2)
    model = Meta(first, Averaged(second, n_seeds=1), cost_bps=1.0).fit(train, valid, FitContext())
    assert isinstance(model, Contributing)
    found, margin, score = model.contributions(test), model.margin(test), model.predict(test)
    np.testing.assert_allclose(found.sum(axis=1), margin, rtol=1e-5, atol=1e-5)
    side = np.sign(model.first_.scores(test))
    assert (np.sign(score) == side)[score != 0].all() and (np.sign(margin) == side)[np.abs(score) > 0.5].all()
    assert np.argmax(np.abs(found[:, :4]).mean(axis=0)) == 2, "the feature that tells whether it pays"
    np.testing.assert_array_equal(np.sign(found[:, 2]), side * np.sign(x[test.rows, 2]))
    inner = model.second_.strategy.contributions(model._beside(test, model.first_.scores(test)))
    to, features = (1, [0, 2, 3, 4]) if isinstance(first, FeatureRule) else (4, [0, 1, 2, 3])
    np.testing.assert_allclose(found[:, features], side[:, None] * np.delete(inner, 4, axis=1)[:, features], rtol=1e-9)
    np.testing.assert_allclose(found[:, to], side * (np.delete(inner, 4, axis=1)[:, to] + inner[:, 4]), rtol=1e-9)
    model.save(tmp_path)
    np.testing.assert_allclose(Meta.load(tmp_path).contributions(test), found, rtol=1e-6, atol=1e-7)


def test_no_side_no_reason():
    panel = panel_of((300,), 3, seed=1)
    panel.X[250:] = 0.0
    panel = replace(panel, y=np.sign(panel.X[:, 0]), ret=0.01 * panel.X[:, 0].astype(float))
    model = Meta(FeatureRule("f0"), XGBoostStrategy(n_estimators=5)).fit(
        Samples(panel, np.arange(200)), Samples(panel, np.arange(200, 250)), FitContext()
    )
    none = Samples(panel, np.arange(260, 270))
    assert not model.predict(none).any() and not model.margin(none).any() and not model.contributions(none).any()
