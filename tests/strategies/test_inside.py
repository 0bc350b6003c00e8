"""What is chosen inside a fold: parameters and features, from the fold's training rows alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of, strategy_class
from barwise.report.inside import _agreement, _searched, _selected
from barwise.safety.model import check_model
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.strategies.parts import Part, budgeted
from barwise.strategies.search import Search, Searched
from barwise.strategies.select import Clusters, Correlation, Gain, Permutation, Selected
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.space import space_of
from barwise.validation.folds import touches
from barwise.validation.nested import inner_folds
from tests.strategies.panels import panel_of


def planted(n: int = 600, n_features: int = 6, of: tuple[int, ...] = (2,)):
    """Returns that follow some of the features, with noise."""
    panel = panel_of((n,), n_features, seed=5)
    noise = np.random.default_rng(1).standard_normal(n)
    ret = 0.01 * (panel.X[:, list(of)].sum(axis=1) * 0.5 + noise)
    return replace(panel, ret=ret, y=np.sign(ret))


def ridge(alpha: float = 1.0) -> SklearnStrategy:
    from sklearn.linear_model import Ridge

    return SklearnStrategy(Ridge(alpha=alpha), scale=True)


def test_inner_folds_are_purged_and_lie_within_the_training_rows() -> None:
    panel = planted()
    panel = replace(panel, end=panel.time + np.timedelta64(7, "D"))
    rows = np.arange(50, 450)
    folds = inner_folds(panel, rows, 4)
    assert len(folds) == 4
    for fold in folds:
        for part in (fold.train, fold.valid):
            assert np.isin(part, rows).all() and not touches(panel, part, fold.test).any()
            assert part.max() < fold.test.min()
        assert not touches(panel, fold.train, fold.valid).any()
    with pytest.raises(ConfigError, match="too few for 40 inner folds"):
        inner_folds(panel, rows[:60], 40)


class Sized:
    """Scores by the feature times `sign`: the right sign is there to be found."""

    def __init__(self, sign: float = 0.0) -> None:
        self.lookback, self.scale, self.takes_nan, self.sign = 1, False, False, sign

    def fit(self, train, valid, context):
        self.seen = (train.rows, valid.rows)
        return self

    def predict(self, samples):
        return np.clip(self.sign * samples.X[:, 2] / 5, -1, 1)


def test_the_planted_parameter_is_found_from_training_rows_alone() -> None:
    panel = planted()
    rows = [np.arange(a, b) for a, b in ((0, 400), (400, 450), (450, 600))]
    train, valid, test = (Samples(panel, r) for r in rows)
    seen: list[np.ndarray] = []

    def build(parameters, final):
        made = Sized(**parameters)
        made.fit = lambda t, v, c: seen.extend([t.rows, v.rows]) or made
        return made

    search = Search({"sign": [-1.0, 0.5, 1.0]}, trials=4, folds=3, patience=None)
    facts: dict = {}
    model = Searched(build, search).fit(train, valid, FitContext(facts=facts))
    assert facts["search"]["chosen"]["sign"] > 0 and facts["search"]["configured"] == 0.0
    assert facts["search"]["value"] > 0.2 and facts["search"]["trials"] == 4
    inner, final = seen[:-2], seen[-2:]
    assert max(r.max() for r in inner) < 400 and np.array_equal(final[1], rows[1])
    assert np.isfinite(model.predict(test)).all()


def test_a_search_ends_early_and_gives_up_what_is_worse() -> None:
    panel = planted()
    search = Search({"sign": {"low": -1.0, "high": 1.0}}, trials=60, folds=6, patience=5, prune_below=0.2)
    facts: dict = {}
    Searched(lambda given, final: Sized(**given), search).fit(
        Samples(panel, np.arange(500)), Samples(panel, np.arange(500, 550)), FitContext(facts=facts)
    )
    assert facts["search"]["trials"] < 60 and facts["search"]["ended"] == "nothing better in 5 trials"
    assert facts["search"]["pruned"] > 0 and facts["search"]["chosen"]["sign"] > 0


def test_no_trial_is_spent_on_what_was_tried() -> None:
    panel, seen = planted(), []

    def build(parameters, final):
        if not final:
            seen.append(parameters)
        return Sized(**parameters)

    space = {"sign": [-1.0, -0.5, 0.1, 0.2, 0.5, 1.0]}
    for trials, ended in ((5, "budget"), (60, "nothing new to try")):
        facts: dict = {}
        model = Searched(build, Search(space, trials=trials, folds=2, patience=None, prune_below=0.1))
        seen.clear()
        model.fit(Samples(panel, np.arange(500)), Samples(panel, np.arange(500, 550)), FitContext(facts=facts))
        found = [one["sign"] for one in seen if one]
        assert len(set(found)) == min(trials - 1, 6) == facts["search"]["trials"] - 1
        assert len(found) <= 2 * len(set(found)) and facts["search"]["ended"] == ended


@pytest.mark.parametrize(
    ("space", "line"),
    [
        ({}, "names no setting"),
        ({"a": []}, r"search\.space\.a=\[\]: must list two"),
        ({"a": {"low": 1}}, "must be a list, or have low and high"),
        ({"a": {"low": 3, "high": 1}}, "low=3 must be below high=1"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "above 0 on a log scale"),
        ({"sign": [1.0, 2.0], "other": [1, 2]}, "search.space.other"),
    ],
)
def test_an_odd_space_is_refused_before_anything_is_trained(space: dict, line: str) -> None:
    def build(given, final):
        if "other" in given:
            raise ConfigError("no such setting")
        return Sized(**given)

    with pytest.raises(ConfigError, match=line):
        Searched(build, Search(space))


def test_a_setting_that_the_strategy_has_not_is_one_line() -> None:
    for word in ("+search.space.max_depht=[2,3]", "+search.space.estimator.alhpa=[1.0,2.0]"):
        strategy = "strategy=ridge" if "estimator" in word else "strategy=xgboost"
        with pytest.raises(Exception, match=r"search\.space\.") as raised:
            parts_of(compose([strategy, "search=optuna", word]))
        code, line = one_line(raised.value)
        assert code == 2 and "\n" not in line
    assert {r.name for r in space_of({"estimator": {"alpha": [1, 2]}})} == {"estimator.alpha"}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [(Gain(2), {2, 4}), (Permutation(2), {2, 4}), (Correlation(rate=0.05, least=1), {2, 4}), (Clusters(0.3), None)],
)
def test_features_are_chosen_from_training_rows_alone(selection, expected, tmp_path: Path) -> None:
    panel = planted(of=(2, 4))
    if expected is None:  # the last column is a copy of the third
        X = panel.X.copy()
        X[:, 5] = X[:, 2] + 0.01 * X[:, 5]
        panel = replace(panel, X=X)
    train, valid = Samples(panel, np.arange(450)), Samples(panel, np.arange(450, 550))
    facts: dict = {}
    model = Selected(ridge(), selection).fit(train, valid, FitContext(facts=facts))
    if expected is None:
        assert len(model.columns_) == 5 and len({2, 5} & set(model.columns_)) == 1
    else:
        assert set(model.columns_) == expected
    changed = panel.X.copy()
    changed[450:] = 7.0
    again = Selected(ridge(), selection).fit(
        Samples(replace(panel, X=changed), train.rows), Samples(replace(panel, X=changed), valid.rows), FitContext()
    )
    assert again.columns_ == model.columns_
    assert facts["selected"] == [f"f{c}" for c in model.columns_]
    model.save(tmp_path)
    check_model(tmp_path, 6)
    np.testing.assert_array_equal(Selected.load(tmp_path).predict(valid), model.predict(valid))
    assert set(model.importance()) == {str(c) for c in model.columns_}


def test_a_window_of_chosen_features_is_read_whole() -> None:
    panel = planted(n=120)

    class Window(Sized):
        def __init__(self):
            super().__init__(1.0)
            self.lookback = 3

        def predict(self, samples):
            return np.array([samples.panel.X[r - 2 : r + 1].mean() for r in samples.rows]) / 10

    model = Selected(Window(), Correlation(least=2, blocks=4))
    model._keep([1, 3], Part(Window()))
    rows = np.arange(50, 60)
    expected = [panel.X[r - 2 : r + 1][:, [1, 3]].mean() / 10 for r in rows]
    np.testing.assert_allclose(model.predict(Samples(panel, rows)), expected, rtol=1e-6)


def test_what_was_found_is_kept_for_a_refit_and_the_class_that_loads_is_known() -> None:
    cfg = compose(["strategy=ridge", "search=optuna", "select=ic"])
    strategy = parts_of(cfg).strategy
    assert isinstance(strategy, Searched) and strategy_class(cfg) is Searched
    again = budgeted(strategy, {"search": {"chosen": {"estimator.alpha": 7.0}}, "columns": [0, 1]})
    assert again.fixed == {"estimator.alpha": 7.0}
    assert again.build(again.fixed, True).strategy.estimator.alpha == 7.0
    assert again.build(again.fixed, True).fixed == [0, 1]


def test_the_page_says_how_far_folds_agree() -> None:
    assert _agreement([3, 3, 3], 3) == "3 in 3 of 3" and _agreement([1.0, 3.0], 2) == "± 50%"
    kept = [{"fold": k, "search": {"chosen": {"a": 1}, "value": 0.1, "configured": 0.0, "trials": 5, "pruned": 1},
             "selected": ["x"]} for k in range(2)]  # fmt: skip
    assert "1 in 2 of 2" in str(_searched(kept)[1]) and "2 of 2" in str(_selected(kept)[1])
