"""Whatever splits its training rows again gets purged folds: searches, calibration, stacks, models with `cv`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from omegaconf import OmegaConf

from barwise.errors import ConfigError
from barwise.experiment.recipe import _make
from barwise.safety.skops import check_skops
from barwise.safety.targets import Targets
from barwise.samples import Panel, Samples
from barwise.strategies import inner_cv
from barwise.strategies.base import FitContext
from tests.conftest import ROOT

N, HORIZON = 160, 8
TREE = "{_target_: sklearn.tree.DecisionTreeClassifier, max_features: 2}"
FOREST = "{_target_: sklearn.ensemble.RandomForestClassifier, n_estimators: 3}"
S = "_target_: sklearn.model_selection"
SEARCH = f"{S}.GridSearchCV, estimator: {TREE}, param_grid: {{max_depth: [1, 3]}}"
TUNED = {
    "grid": f"{{{SEARCH}, cv: 4}}",
    "forest": f"{{{SEARCH.replace(TREE, FOREST)}}}",
    "randomized": f"{{{S}.RandomizedSearchCV, estimator: {TREE}, param_distributions: {{max_depth: [1, 2, 3]}}, "
    "n_iter: 2}",
    "halving": f"{{{S}.HalvingGridSearchCV, estimator: {TREE}, param_grid: {{max_depth: [1, 3]}}}}",
    "calibrated": f"{{_target_: sklearn.calibration.CalibratedClassifierCV, estimator: {TREE}, cv: 3}}",
    "stack": f"{{_target_: sklearn.ensemble.StackingClassifier, estimators: [[a, {TREE}]]}}",
    "vote": f"{{_target_: sklearn.ensemble.VotingClassifier, estimators: [[a, {{{SEARCH}}}], [b, {TREE}]]}}",
    "pipeline": f"{{_target_: sklearn.pipeline.Pipeline, steps: [[s, {{{SEARCH}}}]]}}",
    "lasso": "{_target_: sklearn.linear_model.LassoCV, alphas: 5}",
    "splitter": f"{{{SEARCH}, cv: {{{S}.TimeSeriesSplit, n_splits: 3}}}}",
}


def samples() -> Samples:
    random = np.random.default_rng(0)
    time = np.tile(np.datetime64("2020-01-01", "ns") + np.arange(N) * np.timedelta64(24, "h"), 2)
    X = random.normal(size=(2 * N, 3)).astype(np.float32)
    ret = X[:, 0] + random.normal(size=2 * N)
    yes = np.ones(2 * N, bool)
    panel = Panel(X, ("a", "b", "c"), ("A", "B"), np.repeat([0, 1], N), time, np.sign(ret), ret,
                  time + np.timedelta64(24 * HORIZON, "h"), np.ones(2 * N), yes, yes, np.repeat([0, N], N))  # fmt: skip
    return Samples(panel, np.arange(2 * N))


def made(estimator: str):
    node = OmegaConf.create(f"{{_target_: barwise.strategies.sklearn.SklearnStrategy, estimator: {estimator}}}")
    return _make("strategy", OmegaConf.to_container(node), None)


@pytest.mark.parametrize("name", TUNED)
def test_its_inner_folds_are_purged_and_it_is_saved_as_safely_as_others(name, tmp_path, monkeypatch):
    seen = []
    real = inner_cv.InnerFolds.split

    def split(self, X, y=None, groups=None):
        seen.append(self)
        return real(self, X, y, groups)

    monkeypatch.setattr(inner_cv.InnerFolds, "split", split)
    given, facts = samples(), {}
    model = made(TUNED[name]).fit(given, given.select(slice(0, 0)), FitContext(facts=facts))
    assert seen
    end = given.panel.end
    for train, test in seen[0].pairs:
        assert not ((end[train] >= given.time[test].min()) & (given.time[train] <= end[test].max())).any()
    score = model.predict(given)
    again = made(TUNED[name]).fit(given, given.select(slice(0, 0)), FitContext(facts={}))
    np.testing.assert_array_equal(again.predict(given), score)  # what is nested has the seed too
    assert ("best_params" in facts) == (name in ("grid", "forest", "randomized", "halving", "splitter"))
    model.save(tmp_path)
    check_skops(tmp_path / "model.skops", 3)
    np.testing.assert_array_equal(type(model).load(tmp_path).predict(given), score)


def test_plain_folds_would_have_chosen_what_purged_ones_do_not():
    """Two symbols that move together: the other's row of the same time is the best teacher that plain folds have."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier

    given = samples()
    ret = np.tile(np.random.default_rng(2).normal(size=N), 2)
    X = np.tile(np.arange(N), 2)[:, None].astype(np.float32)  # the time itself
    given = replace(given, panel=replace(given.panel, X=X, features=("t",), ret=ret, y=np.sign(ret)))
    grid = {"n_neighbors": [2, 80]}
    plain = GridSearchCV(KNeighborsClassifier(), grid, cv=5).fit(X, given.y)
    facts: dict = {}
    knn = "{_target_: sklearn.neighbors.KNeighborsClassifier}"
    search = f"{{{S}.GridSearchCV, estimator: {knn}, param_grid: {{n_neighbors: [2, 80]}}, cv: 5}}"
    made(search).fit(given, given.select(slice(0, 0)), FitContext(facts=facts))
    assert (plain.best_params_, facts["best_params"]) == ({"n_neighbors": 2}, {"n_neighbors": 80})


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (f"{{{SEARCH}, cv: 1}}", "cv.*1"),
        (f"{{{SEARCH}, cv: prefit}}", "cv"),
        (f"{{{SEARCH}, cv: [[[0, 1], [2, 3]]]}}", "cv=.*must be a number of folds from 2 on, or a splitter of times"),
        (f"{{{SEARCH}, cv: true}}", "cv.*Got True"),
        (f"{{_target_: sklearn.ensemble.BaggingClassifier, estimator: {{{SEARCH}}}}}", "put the search outermost"),
        (f"{{{SEARCH.replace(TREE, '{' + SEARCH + '}')}}}", "put the search outermost"),
    ],
)
def test_what_no_purged_folds_can_take_the_place_of_is_refused(estimator, said):
    with pytest.raises(Exception, match=said) as raised:
        made(estimator)
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert any(isinstance(one, ConfigError) for one in chain)


def test_a_stack_that_needs_each_row_tested_once_says_so():
    given = samples()
    stack = TUNED["stack"][:-1] + f", cv: {{{S}.TimeSeriesSplit, n_splits: 3}}}}"
    with pytest.raises(ConfigError, match="set its cv to a number"):
        made(stack).fit(given, given.select(slice(0, 0)), FitContext())


def test_searches_may_be_named_in_a_runs_directory():
    node = OmegaConf.create(f"{{_target_: barwise.strategies.sklearn.SklearnStrategy, estimator: {TUNED['halving']}}}")
    Targets(ROOT / "conf").check("strategy", OmegaConf.to_container(node))


def test_rows_drawn_at_random_in_time_are_told():
    heard = []
    given = samples()
    sgd = "{_target_: sklearn.linear_model.SGDClassifier, early_stopping: true}"
    made(sgd).fit(given, given.select(slice(0, 0)), FitContext(alert=lambda kind, text: heard.append(text)))
    assert "set strategy.estimator.early_stopping=false" in heard[0]
