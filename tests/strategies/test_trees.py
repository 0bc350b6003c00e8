"""Every strategy of conf/ that is no net keeps the interface's promises, on the same small panel."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.samples import Panel, Samples, Scaler
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy, _intercept
from tests.conftest import ROOT, train
from tests.strategies.panels import panel_of

OTHERS = {
    "lstm",
    "abstain",
    "blend",
    "calibrated",
    "meta",
    "rule",
    "tabm",
}  # nets, what is made of others, and what learns nothing
NAMES = sorted(p.stem for p in (ROOT / "conf" / "strategy").glob("*.yaml") if p.stem not in OTHERS)
NEAR = ("knn", "gaussian_process")
CLASSIFIERS = [n for n in NAMES if n not in ("ridge",)]


def strategy(name: str) -> Strategy:
    """The shipped one, with fewer trees."""
    return copy.deepcopy(composed(name))


@functools.cache
def composed(name: str) -> Strategy:
    more = {name: ["strategy.n_estimators=40"] for name in ("xgboost", "lightgbm", "catboost")}
    for forest in ("random_forest", "extra_trees"):
        more[forest] = ["strategy.estimator.n_estimators=20"]
    return parts_of(compose([f"strategy={name}", *more.get(name, [])])).strategy


@pytest.fixture(scope="module")
def panel() -> Panel:
    """A pattern that the row itself shows, linear, in two symbols of 500 bars; y is -1, 0 or 1."""
    made = panel_of((500, 500), 4, seed=3)
    noisy = made.X[:, 0] + 0.5 * np.random.default_rng(1).standard_normal(1000)
    y = np.where(np.abs(noisy) < 0.3, 0.0, np.sign(noisy))
    return replace(made, y=y, ret=0.01 * noisy)


def split(panel: Panel, scale: bool) -> tuple[Samples, Samples, Samples]:
    """Training, validation and test samples, by time."""
    day = np.tile(np.arange(500), 2)
    rows = [np.flatnonzero((day >= a) & (day < b)) for a, b in ((0, 300), (300, 380), (380, 500))]
    scaler = Scaler.fit(panel.X[rows[0]]) if scale else None
    found = [Samples(panel, r, scaler) for r in rows]
    return found[0], found[1], found[2]


def fit(name: str, panel: Panel, context: FitContext | None = None) -> tuple[Strategy, Samples]:
    model = strategy(name)
    learn, valid, test = split(panel, model.scale)
    return model.fit(learn, valid, context or FitContext(seed=5)), test


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_scores_in_range_saves_and_loads_bit_for_bit(name, panel, tmp_path):
    model, test = fit(name, panel)
    score = model.predict(test)
    assert score.shape == (len(test),) and score.dtype == np.float64
    assert (np.abs(score) <= 1).all() and np.corrcoef(score, test.ret)[0, 1] > 0.5
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(test), score)
    assert again.scale == model.scale and again.takes_nan == model.takes_nan
    kept = {p.suffix for p in (tmp_path / "model").iterdir()}
    assert kept <= {".json", ".ubj", ".txt", ".skops"}, "no pickle"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores_and_another_thread_count_too_where_threads_are_free(name, panel):
    (one, test), (two, _) = fit(name, panel), fit(name, panel)
    np.testing.assert_array_equal(one.predict(test), two.predict(test))
    if name in ("random_forest", "extra_trees"):
        many, _ = fit(name, panel, FitContext(seed=5, threads=2))
        np.testing.assert_array_equal(many.predict(test), one.predict(test))


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in NAMES
        if n not in ("ridge", "logistic", "hist_gradient_boosting", "sklearn", "knn", "gaussian_process")
    ],
)
def test_another_seed_gives_other_scores(name, panel):
    one, test = fit(name, panel)
    other, _ = fit(name, panel, FitContext(seed=6))
    assert (one.predict(test) != other.predict(test)).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("missing", [-1.0, 0.0, 1.0])
def test_a_fold_without_one_of_the_classes_is_learned(name, panel, missing):
    there = replace(panel, y=np.where(panel.y == missing, 1.0 if missing != 1.0 else -1.0, panel.y))
    model, test = fit(name, there)
    score = model.predict(test)
    assert np.isfinite(score).all() and (np.abs(score) <= 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_fold_with_one_class_alone_has_no_opinion_against_it(name, panel, tmp_path):
    model, test = fit(name, replace(panel, y=np.ones(1000)))
    score = model.predict(test)
    assert np.isfinite(score).all() and score.min() >= 0 and np.ptp(score) < 0.05
    model.save(tmp_path)
    np.testing.assert_array_equal(type(model).load(tmp_path).predict(test), score)


@pytest.mark.parametrize("name", NAMES)
def test_without_validation_rows_it_learns_too(name, panel):
    model = strategy(name)
    learn, valid, test = split(panel, model.scale)
    model.fit(learn, valid.select(np.zeros(len(valid), bool)), FitContext())
    assert np.corrcoef(model.predict(test), test.ret)[0, 1] > 0.5


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("sklearn", "ridge", "logistic", *NEAR)])
def test_trees_read_nan(name, panel):
    holes = panel.X.copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.1] = np.nan
    model, test = fit(name, replace(panel, X=holes))
    assert np.isfinite(model.predict(test)).all() and model.takes_nan


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NEAR])  # whose libraries take no weights
def test_weights_count(name, panel):
    silent = replace(panel, weight=np.where(np.arange(1000) % 2, 1.0, 1e-6), y=np.where(np.arange(1000) % 2, -1.0, 1.0))
    model, test = fit(name, silent)
    assert model.predict(test).mean() < -0.3 or name in ("sklearn", "ridge")  # a mean removed by the intercept alone


@pytest.mark.parametrize("make", [XGBoostStrategy, LightGBMStrategy], ids=["xgboost", "lightgbm"])
def test_boosting_stops_early_by_validation_rows_alone(make, panel):
    model = make(n_estimators=300, learning_rate=0.3, early_stopping_rounds=5)
    learn, valid, test = split(panel, False)
    context = FitContext(facts={})
    logged: list[tuple[str, int]] = []
    context = replace(context, log=lambda name, value, step: logged.append((name, step)))
    model.fit(learn, valid, context)
    assert 1 <= context.facts["rounds"] < 300
    assert ("valid_loss", 0) in logged and ("train_loss", 0) in logged
    other = copy.deepcopy(make(n_estimators=300, learning_rate=0.3, early_stopping_rounds=5))
    shuffled = replace(panel, y=panel.y.copy())
    shuffled.y[test.rows] = np.random.default_rng(0).permutation(shuffled.y[test.rows])
    learn, valid, _ = split(shuffled, False)
    other.fit(learn, valid, FitContext())
    np.testing.assert_array_equal(other.predict(test), model.predict(test))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "ridge"])
def test_returns_are_learned_as_a_regression(name, panel):
    model, test = fit(name, replace(panel, y=panel.ret))
    score = model.predict(test)
    assert np.corrcoef(score, test.ret)[0, 1] > 0.5 and 0.2 < score.std() < 1


def test_a_classifier_refuses_returns_in_one_line(panel):
    with pytest.raises(ConfigError, match=r"a classifier needs labels of -1, 0 and 1; use labels=next_return_sign or"):
        fit("logistic", replace(panel, y=panel.ret))


def test_a_model_of_another_kind_is_not_loaded(panel, tmp_path):
    model, _ = fit("ridge", panel)
    model.save(tmp_path)
    with pytest.raises(ConfigError, match="is not a model of xgboost"):
        XGBoostStrategy.load(tmp_path)
    assert json.loads((tmp_path / "strategy.json").read_text())["kind"] == "sklearn"


@pytest.mark.parametrize(
    ("make", "wrong", "words"),
    [
        (XGBoostStrategy, {"max_depth": -4}, "strategy.max_depth=-4: must be a whole number of 1 or more, 30 at most"),
        (XGBoostStrategy, {"n_estimators": 0}, "strategy.n_estimators=0"),
        (XGBoostStrategy, {"learning_rate": 2}, "strategy.learning_rate=2"),
        (XGBoostStrategy, {"n_estimators": 2.5}, "strategy.n_estimators=2.5: must be a whole number of 1 or more"),
        (XGBoostStrategy, {"learning_rate": "fast"}, "strategy.learning_rate=fast: must be a number above 0"),
        (XGBoostStrategy, {"max_depth": None}, "strategy.max_depth=null: must be a whole number of 1 or more"),
        (LightGBMStrategy, {"num_leaves": 1}, "strategy.num_leaves=1: must be a whole number of 2 or more"),
        (LightGBMStrategy, {"n_estimators": "many"}, "strategy.n_estimators=many: must be a whole number"),
        (LightGBMStrategy, {"early_stopping_rounds": 0}, "strategy.early_stopping_rounds=0"),
        (SklearnStrategy, {"estimator": object()}, "strategy.estimator=object: is no scikit-learn estimator"),
    ],
)
def test_a_wrong_setting_is_one_line(make, wrong, words):
    with pytest.raises(ConfigError, match=rf"^{words}"):
        make(**wrong)


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("xgboost", "strategy.subsample=3", "strategy.subsample=3: must be a number above 0, at most 1"),
        ("lightgbm", "strategy.bagging_fraction=3", "strategy.bagging_fraction=3: must be a number above 0"),
        ("random_forest", "strategy.estimator.n_estimators=-1", "strategy.estimator: The 'n_estimators' parameter"),
        ("hist_gradient_boosting", "strategy.estimator.max_iter=0", "strategy.estimator: The 'max_iter' parameter"),
        ("logistic", "strategy.estimator.C=-1", "strategy.estimator: The 'C' parameter"),
        ("ridge", "strategy.estimator.alpha=x", "strategy.estimator: The 'alpha' parameter"),
    ],
)
def test_a_setting_that_the_library_refuses_is_one_line_before_a_bar_is_read(name, wrong, words):
    with pytest.raises(Exception) as raised:
        parts_of(compose([f"strategy={name}", wrong]))
    code, line = one_line(raised.value)
    assert code == 2 and line.startswith(words) and "\n" not in line


def test_any_estimator_from_the_command_line(tmp_path: Path):
    target = "strategy.estimator._target_=sklearn.neighbors.KNeighborsClassifier"
    done = train(
        "experiment=smoke", "strategy=sklearn", target, f"hydra.run.dir={tmp_path}/run", f"output_dir={tmp_path}"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model" / "fold-0" / "model.skops").exists()


def test_the_start_that_cuda_is_given_is_xgboosts_own_also_of_a_class_without_rows(panel):
    """XGBoost 3.4.1 on CUDA starts an absent class at minus infinity and learns nothing: seen on an H200."""
    for y in (np.where(panel.y == 0, 1.0, panel.y), panel.y):
        data = Samples(replace(panel, y=y), np.arange(800))
        own = XGBoostStrategy(n_estimators=5).fit(data, data.select(np.arange(0)), FitContext())
        given = XGBoostStrategy(n_estimators=5)
        given.parameters = {"base_score": _intercept(data)}
        given.fit(data, data.select(np.arange(0)), FitContext())
        assert _intercept(data) == pytest.approx(start_of(own), abs=1e-4)
        assert np.abs(own.predict(data) - given.predict(data)).max() < 1e-6


def start_of(model: XGBoostStrategy) -> list[float]:
    found = json.loads(model.booster_.save_config())["learner"]["learner_model_param"]["base_score"]
    return json.loads(found)


def test_a_few_rows_are_trained_on_by_one_thread_and_many_by_those_that_are_lent(panel):
    from barwise.strategies.xgb import _A_THREAD, XGBoostStrategy, _threads

    few = Samples(panel, np.arange(len(panel)))
    enough = Samples(panel, np.resize(few.rows, 3 * _A_THREAD // len(panel.features) + 1))
    assert (_threads(8, few), _threads(2, enough), _threads(8, enough)) == (1, 2, 4)
    with pytest.MonkeyPatch.context() as patch:
        fitted = [XGBoostStrategy(n_estimators=8).fit(few, few, FitContext(threads=2))]
        patch.setattr("barwise.strategies.xgb._A_THREAD", 1)
        fitted.append(XGBoostStrategy(n_estimators=8).fit(few, few, FitContext(threads=2)))
    one, two = (bytes(model.booster_.save_raw("json")) for model in fitted)
    assert one == two
