"""Each strategy of conf/, a new one from the day it is added: its saved model passes the guards and holds no pickle,
loads as a stranger's would, and scores bar by bar as in one go."""

from __future__ import annotations

import pytest

from barwise.safety.model import check_model
from barwise.serving.model_files import _score_some
from tests.conftest import ROOT
from tests.serving.conftest import EARLY
from tests.serving.test_live import check, serve

NET = ["strategy.epochs=1", "strategy.hidden_size=4", "strategy.lookback=3"]
SMALL = {
    "abstain": ["strategy.strategy.n_estimators=5"],
    "blend": [f"strategy.members.{name}.n_estimators=5" for name in ("xgboost", "lightgbm")],
    "catboost": ["strategy.n_estimators=5"],
    "extra_trees": ["strategy.estimator.n_estimators=5"],
    "hist_gradient_boosting": ["strategy.estimator.max_iter=5"],
    "lightgbm": ["strategy.n_estimators=5"],
    "lstm": NET,
    "meta": ["strategy.secondary.n_estimators=5"],
    "random_forest": ["strategy.estimator.n_estimators=5"],
    "tabm": ["strategy.epochs=1", "strategy.hidden_size=4", "strategy.net.members=3"],
    "xgboost": ["strategy.n_estimators=5"],
}
KEPT = {".json", ".parquet", ".txt", ".skops", ".safetensors"}
NAMES = sorted(path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml"))
QUICK = {"catboost", "tabm", "meta", "blend"}  # the others in make test-slow


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_it_is_safe_to_load_and_live_as_in_one_go(name, trained, market):
    served = serve(trained(f"strategy={name}", "features=[price]", *SMALL.get(name, [])))
    place = next(served.run.folder.glob("model/fold-*"))
    check_model(place, len(served.features))
    assert {p.suffix for p in place.rglob("*") if p.is_file()} <= KEPT
    _score_some(place, type(served.members[0].strategy), len(served.features))  # as in a stranger's child process
    check(served, market, EARLY + 20, 6)
