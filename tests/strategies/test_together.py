"""Strategies made of others: blends, meta-labels, abstention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.errors import ConfigError, DataError
from barwise.experiment.recipe import parts_of
from barwise.safety.model import check_model
from barwise.samples import Samples
from barwise.strategies.abstain import Abstaining
from barwise.strategies.base import FitContext
from barwise.strategies.blend import Blend
from barwise.strategies.calibrated import Calibrated
from barwise.strategies.calibration import Calibration, bet_size
from barwise.strategies.meta import Meta
from barwise.strategies.parts import budgeted
from barwise.strategies.rule import FeatureRule
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from tests.strategies.panels import panel_of


def market(n: int = 700, strength: float = 0.6):
    """Returns that follow the first feature, and more so where the second is large."""
    panel = panel_of((n,), 4, seed=2)
    noise = np.random.default_rng(3).standard_normal(n)
    ret = 0.01 * (strength * panel.X[:, 0] * (1 + (panel.X[:, 1] > 0)) + noise)
    return replace(panel, ret=ret, y=np.sign(ret))


PANEL = market()
TRAIN, VALID, TEST = (Samples(PANEL, np.arange(a, b)) for a, b in ((0, 400), (400, 550), (550, 700)))


def ridge() -> SklearnStrategy:
    from sklearn.linear_model import Ridge

    return SklearnStrategy(Ridge(alpha=1.0), scale=True)


class Noise:
    """Scores that know nothing, different for each row and the same each time."""

    lookback, scale, takes_nan = 1, False, False

    def fit(self, train, valid, context):
        return self

    def predict(self, samples):
        return np.sin(1e4 * samples.X[:, 3].astype(float))


@pytest.mark.parametrize("weights", ["equal", "ic", "ridge"])
def test_members_weigh_what_they_showed_on_rows_of_the_fold(weights: str, tmp_path: Path) -> None:
    facts: dict = {}
    blend = Blend({"good": ridge(), "noise": Noise()}, weights, folds=3, alpha=0.01)
    blend.fit(TRAIN, VALID, FitContext(facts=facts))
    good, noise = facts["weights"]["good"], facts["weights"]["noise"]
    assert abs(good + noise - 1) < 1e-12
    assert good == noise if weights == "equal" else good > 4 * noise
    score = blend.predict(TEST)
    assert np.abs(score).max() <= 1 and np.corrcoef(score, TEST.ret)[0, 1] > 0.2
    known = budgeted(blend, facts)
    assert known.fixed["weights"] == facts["weights"]


def test_a_blend_is_saved_with_its_weights(tmp_path: Path) -> None:
    blend = Blend({"line": ridge(), "trees": XGBoostStrategy(n_estimators=10)}, "ic").fit(TRAIN, VALID, FitContext())
    blend.save(tmp_path)
    check_model(tmp_path, 4)
    np.testing.assert_allclose(Blend.load(tmp_path).predict(TEST), blend.predict(TEST), atol=1e-9)


def test_weights_see_no_test_row() -> None:
    changed = PANEL.X.copy()
    changed[550:] = 3.0
    other = replace(PANEL, X=changed)
    for weights in ("ic", "ridge"):
        one = Blend({"a": ridge(), "b": Noise()}, weights).fit(TRAIN, VALID, FitContext())
        two = Blend({"a": ridge(), "b": Noise()}, weights).fit(
            Samples(other, TRAIN.rows), Samples(other, VALID.rows), FitContext()
        )
        assert one.weights_ == two.weights_


def test_members_can_be_chosen_on_the_command_line() -> None:
    words = ["strategy=blend", "+strategy@strategy.members.forest=random_forest", "~strategy@strategy.members.lightgbm"]
    assert set(parts_of(compose(words)).strategy.members) == {"xgboost", "ridge", "forest"}


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic", "none"])
def test_the_side_is_the_rules_and_the_size_the_probabilitys(calibration: str, tmp_path: Path) -> None:
    facts: dict = {}
    meta = Meta(FeatureRule("f0"), XGBoostStrategy(n_estimators=30), cost_bps=0.0, calibration=calibration)
    meta.fit(TRAIN, VALID, FitContext(facts=facts))
    score = meta.predict(TEST)
    side = np.sign(TEST.X[:, 0])
    assert set(np.sign(score)) <= {-1.0, 0.0, 1.0} and (score[score != 0] * side[score != 0] > 0).all()
    large = TEST.X[:, 1] > 0
    assert np.abs(score[large]).mean() > np.abs(score[~large]).mean()  # where the rule pays it bets more
    assert facts["meta"]["rows"] == 400 and 0.5 < facts["meta"]["paid"] < 0.9
    meta.save(tmp_path)
    check_model(tmp_path, 4)
    np.testing.assert_allclose(Meta.load(tmp_path).predict(TEST), score, atol=1e-7)


def test_the_second_strategy_learns_from_scores_that_had_not_seen_their_rows() -> None:
    seen: list[int] = []

    class Watched(Noise):
        def fit(self, train, valid, context):
            seen.append(int(train.rows.max()) if len(train) else -1)
            return self

    facts: dict = {}
    Meta(Watched(), XGBoostStrategy(n_estimators=5), folds=3).fit(TRAIN, VALID, FitContext(facts=facts))
    assert len(seen) == 4 and seen[-1] == 399 and max(seen[:3]) < 399
    assert facts["meta"]["rows"] < 400  # those of the inner blocks alone


def test_a_second_strategy_that_reads_windows_is_refused() -> None:
    class Long(Noise):
        lookback = 5

    with pytest.raises(ConfigError, match="reads 5 bars"):
        Meta(FeatureRule(), Long())


def test_calibrated_probabilities_are_those_seen() -> None:
    random = np.random.default_rng(0)
    score = random.uniform(-1, 1, 4000)
    right = random.uniform(size=4000) < 0.5 + 0.3 * score
    for kind in ("sigmoid", "isotonic"):
        found = Calibration.of(kind, score, right)
        assert found.kind == kind
        np.testing.assert_allclose(found(np.array([-0.8, 0.0, 0.8])), [0.26, 0.5, 0.74], atol=0.06)
        again = Calibration.from_settings(found.settings())
        np.testing.assert_array_equal(again(score), found(score))
    assert Calibration.of("isotonic", score[:10], right[:10]).kind == "none"
    np.testing.assert_allclose(bet_size(np.array([0.3, 0.5, 0.9])), [0, 0, 0.8176], atol=1e-3)


def test_the_interval_holds_its_share_and_what_it_covers_is_not_traded(tmp_path: Path) -> None:
    panel = market(4000)
    train, valid, test = (Samples(panel, np.arange(a, b)) for a, b in ((0, 1500), (1500, 3000), (3000, 4000)))
    for level in (0.1, 0.5, 0.9):
        model = Abstaining(ridge(), level, cost_bps=5.0).fit(train, valid, FitContext())
        inside = np.abs(test.ret - model.slope_ * model.part_.scores(test)) <= model.width_
        assert abs(inside.mean() - level) < 0.05
        score = model.predict(test)
        expected = np.abs(model.slope_ * model.part_.scores(test))
        np.testing.assert_array_equal(score != 0, expected - model.width_ > 5e-4)
    model.save(tmp_path)
    check_model(tmp_path, 4)
    np.testing.assert_array_equal(Abstaining.load(tmp_path).predict(test), score)


def test_a_rule_names_the_feature_that_is_near() -> None:
    with pytest.raises(ConfigError, match="did you mean f0"):
        FeatureRule("f00").fit(TRAIN, VALID, FitContext())
    with pytest.raises(ConfigError, match="none of the features is a return"):
        FeatureRule().fit(TRAIN, VALID, FitContext())


def test_calibrated_scores_are_the_chances_seen(tmp_path: Path) -> None:
    panel = market(3000)
    train, valid, test = (Samples(panel, np.arange(a, b)) for a, b in ((0, 1000), (1000, 2000), (2000, 3000)))
    model = Calibrated(ridge(), "isotonic").fit(train, valid, FitContext())
    score = model.predict(test)
    for low, high in ((-1.0, -0.3), (-0.3, 0.3), (0.3, 1.0)):
        inside = (score >= low) & (score < high)
        assert abs((test.ret[inside] > 0).mean() - (1 + score[inside].mean()) / 2) < 0.08
    model.save(tmp_path)
    check_model(tmp_path, 4)
    np.testing.assert_array_equal(Calibrated.load(tmp_path).predict(test), score)


def neighbours(**more: object) -> SklearnStrategy:
    from sklearn.neighbors import KNeighborsClassifier

    return SklearnStrategy(KNeighborsClassifier(n_neighbors=9, **more), scale=True, most_rows=300)


def test_neighbours_are_loaded_from_plain_arrays_alone(tmp_path: Path) -> None:
    facts: dict = {}
    model = neighbours(algorithm="brute").fit(TRAIN, VALID, FitContext(facts=facts))
    assert facts["fitted_rows"] == 300
    model.save(tmp_path / "brute")
    check_model(tmp_path / "brute", 4)
    with pytest.raises(DataError, match="neighbours are not 5 columns"):
        check_model(tmp_path / "brute", 5)
    neighbours(algorithm="kd_tree").fit(TRAIN, VALID, FitContext()).save(tmp_path / "tree")
    with pytest.raises(DataError, match=r"not on the list|algorithm=brute"):
        check_model(tmp_path / "tree", 4)


def test_neighbours_whose_labels_lie_outside_the_classes_are_refused(tmp_path: Path) -> None:
    import skops.io

    model = neighbours(algorithm="brute").fit(TRAIN, VALID, FitContext())
    model.model_._y = model.model_._y + 1000
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(model.model_))
    with pytest.raises(DataError, match="neighbours"):
        check_model(tmp_path, 4)


def test_more_neighbours_than_rows_is_one_line() -> None:
    with pytest.raises(ConfigError, match="n_neighbors=9: must be at most"):
        neighbours().fit(Samples(PANEL, np.arange(8)), VALID, FitContext())


@pytest.mark.parametrize("part", [None, "ridge", 3])
@pytest.mark.parametrize("whole", [Calibrated, Abstaining, lambda part: Blend({"a": part, "b": ridge()}), Meta])
def test_what_is_made_of_no_strategy_is_refused(whole, part):
    if part is None and whole not in (Calibrated, Abstaining, Meta):
        return  # a member that is left out
    with pytest.raises(ConfigError, match="is made of strategies, of which"):
        whole(part, ridge()) if whole is Meta else whole(part)
