"""Models that differ in the seed alone, averaged; and folds that learned next to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf

from barwise.console.arguments import compose
from barwise.errors import ConfigError
from barwise.experiment.configuration import recomposed, unresolved
from barwise.experiment.learning import _unlearned, alert_unlearned, learned_little
from barwise.experiment.recipe import parts_of
from barwise.experiment.strategy import averaged, settle_seeds
from barwise.runs.directory import RunDirectory
from barwise.safety.model import check_model
from barwise.samples import Samples
from barwise.serving.model import serve
from barwise.strategies.averaging import Averaged
from barwise.strategies.base import FitContext
from barwise.strategies.parts import _known_strategy
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from tests.strategies.panels import panel_of

PANEL = panel_of((300,), 4, seed=3)
TRAIN, VALID = Samples(PANEL, np.arange(200)), Samples(PANEL, np.arange(200, 298))


def test_the_score_is_the_mean_of_models_from_seeds_of_their_own(tmp_path: Path) -> None:
    facts: dict = {}
    trees = XGBoostStrategy(n_estimators=8, subsample=0.5)
    model = Averaged(trees, 3).fit(TRAIN, VALID, FitContext(seed=4, facts=facts))
    each = model.members(VALID)
    np.testing.assert_array_equal(model.predict(VALID), each.mean(axis=0))
    assert len(np.unique(each, axis=0)) == 3 and len(facts["rounds_by_seed"]) == 3
    alone = XGBoostStrategy(n_estimators=8, subsample=0.5).fit(TRAIN, VALID, FitContext(seed=4)).predict(VALID)
    np.testing.assert_array_equal(each[0], alone)  # the first seed is the run's own
    model.save(tmp_path)
    check_model(tmp_path, 4)
    np.testing.assert_array_equal(Averaged.load(tmp_path).predict(VALID), model.predict(VALID))
    assert abs(sum(model.importance().values()) - 1) < 1e-6


def test_a_seed_that_changes_nothing_is_told_and_trained_once() -> None:
    heard: list = []
    context = FitContext(alert=lambda kind, text: heard.append(text))
    trees = XGBoostStrategy(n_estimators=3, subsample=1.0, colsample_bytree=1.0)
    model = Averaged(trees, 5).fit(TRAIN, VALID, context)
    assert len(model.parts_) == 1 and "another seed gives the same model" in heard[0]


def test_only_shipped_classes_or_those_allowed_are_loaded() -> None:
    for target in ("os.path.Path", "barwise.strategies.xgb._log", "barwise.runs.directory.RunDirectory", None):
        with pytest.raises(ConfigError, match="is no strategy of barwise's"):
            _known_strategy(target, frozenset())
    assert issubclass(_known_strategy(f"{__name__}.Mine", frozenset([f"{__name__}.Mine"])), SklearnStrategy)


class Mine(SklearnStrategy):
    pass


def test_auto_is_five_in_a_run_by_itself_and_one_in_a_trial(tmp_path: Path) -> None:
    out = SimpleNamespace(path=tmp_path)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("")
    cfg = compose(["strategy=xgboost"])
    assert cfg.strategy.n_seeds == "auto" and isinstance(parts_of(cfg).strategy, XGBoostStrategy)
    raw = unresolved(cfg)
    single = settle_seeds(raw, out, single=True)
    assert single["strategy"]["n_seeds"] == 5 and parts_of(recomposed(single)).strategy.n_seeds == 5
    assert OmegaConf.load(tmp_path / ".hydra" / "config.yaml").strategy.n_seeds == 5
    assert settle_seeds(raw, out, single=False)["strategy"]["n_seeds"] == 1
    assert settle_seeds(single, out, single=False) is single  # what was set stays


@pytest.mark.parametrize("odd", [0, -1, 1.5, "many", None, True])
def test_an_odd_number_of_seeds_is_refused(odd: object) -> None:
    node = {"_target_": "barwise.strategies.xgb.XGBoostStrategy", "n_seeds": odd}
    with pytest.raises(ConfigError, match=r"strategy\.n_seeds="):
        averaged(node)


def test_nets_average_themselves_and_others_are_wrapped() -> None:
    node = {"_target_": "barwise.strategies.sequence.SequenceStrategy", "n_seeds": 3}
    assert averaged(node) == node
    inner = {"_target_": "sklearn.linear_model.Ridge"}
    assert averaged({"_target_": "a.B", "n_seeds": 2, "estimator": inner})["strategy"] == {
        "_target_": "a.B",
        "estimator": inner,
    }


def test_a_run_tells_what_each_seed_earns_alone_and_can_be_served(smoke) -> None:
    run = smoke("strategy.n_seeds=2", "strategy.n_estimators=20")
    found = json.loads((run / "metrics.json").read_text())["seeds"]
    assert found["n"] == 2 and len(found["sharpe"]) == 2 and found["sharpe_std"] is not None
    assert "the mean of 2 seeds" in json.loads((run / "verdict.json").read_text())["sentence"]
    assert all(isinstance(m.strategy, Averaged) for m in serve(run).members)


def test_each_seed_alone_is_traded_by_its_own_scores_where_portfolios_read_scores(smoke) -> None:
    run = smoke("strategy.n_seeds=3", "strategy.n_estimators=20", "strategy.subsample=0.5", "data.n_symbols=6",
                "portfolio=deciles", "portfolio.rule.quantiles=3")  # fmt: skip
    found = json.loads((run / "metrics.json").read_text())["seeds"]
    assert len(set(found["sharpe"])) == 3 and found["sharpe_std"] > 0


def test_a_fold_that_learned_nothing_is_told(tmp_path: Path) -> None:
    flat = learned_little(np.full(400, 0.1), np.zeros(400))
    assert "one score" in str(_unlearned(flat)) and "100% of them without a position" in str(_unlearned(flat))
    few = learned_little(np.repeat(np.linspace(-1, 1, 29), 20), np.ones(580))
    assert _unlearned(few) == "29 distinct scores in 580 test rows"
    rich = learned_little(np.linspace(-1, 1, 400), np.ones(400))
    assert _unlearned({**rich, "rounds": 7}) is None
    assert _unlearned({**rich, "rounds": 1}) == "stopped after one boosting round"
    assert (
        _unlearned({**rich, "rounds": 3, "rounds_by_seed": [1, 1, 7]})
        == "2 of 3 seeds stopped after one boosting round"
    )
    out = RunDirectory(tmp_path)
    out.start()
    alert_unlearned([{"fold": 0, **rich}, {"fold": 1, **flat}], out)
    (alert,) = out.manifest["alerts"]
    assert "fold 1: all 400 test rows have one score" in alert and "fold 0" not in alert


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["strategy=lightgbm", "strategy.num_leaves=1"], "strategy.num_leaves=1"),
        (["strategy=blend", "strategy.members.lightgbm.num_leaves=1"], "strategy.members.lightgbm.num_leaves=1"),
        (["strategy=lightgbm", "strategy.n_seeds=0"], "strategy.n_seeds=0"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_set_though_seeds_are_averaged(words, named):
    config = compose([*words, *([] if "n_seeds" in named or "members" in named else ["strategy.n_seeds=5"])])
    with pytest.raises(ConfigError) as told:
        parts_of(config)
    assert str(told.value).startswith(f"{named}: must be")
