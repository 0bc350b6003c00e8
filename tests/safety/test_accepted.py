"""The guards let through what barwise itself trains, whatever the settings; other estimators need the user's word."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm, tree

from barwise.errors import DataError
from barwise.notebook.frames import panel_of
from barwise.safety.model import check_model
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.strategies.cat import CatBoostStrategy
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy

FITS = [
    XGBoostStrategy(5),
    XGBoostStrategy(5, task="regress"),
    XGBoostStrategy(5, booster="dart"),
    XGBoostStrategy(5, num_parallel_tree=2, grow_policy="lossguide", max_leaves=8),
    LightGBMStrategy(5),
    LightGBMStrategy(5, task="regress"),
    LightGBMStrategy(5, boosting="dart", early_stopping_rounds=None),
    LightGBMStrategy(5, boosting="rf", bagging_freq=1, bagging_fraction=0.5, early_stopping_rounds=None),
    CatBoostStrategy(5),
    CatBoostStrategy(5, task="regress"),
    CatBoostStrategy(5, boosting_type="Ordered", bootstrap_type="Bayesian", depth=6),
    *map(SklearnStrategy, [
        ensemble.RandomForestClassifier(5), ensemble.ExtraTreesRegressor(5), tree.DecisionTreeClassifier(max_depth=3),
        ensemble.GradientBoostingClassifier(n_estimators=3), ensemble.HistGradientBoostingRegressor(max_iter=3),
        ensemble.HistGradientBoostingClassifier(max_iter=3), ensemble.AdaBoostClassifier(n_estimators=3),
        ensemble.BaggingClassifier(n_estimators=3), linear_model.LogisticRegression(), linear_model.Lasso(),
        linear_model.SGDClassifier(), linear_model.RidgeCV(), naive_bayes.GaussianNB(),
        neural_network.MLPClassifier((4,), max_iter=5),
        pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()),
    ]),
]  # fmt: skip


def saved(strategy, folder: Path) -> Path:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 6)).astype(np.float32)
    panel = panel_of(X, np.sign(X[:, 0] + random.normal(size=200)).round())
    strategy.fit(Samples(panel, np.arange(150)), Samples(panel, np.arange(150, 200)), FitContext())
    strategy.save(folder)
    return folder


def name_of(strategy) -> str:
    inner = getattr(strategy, "estimator", None)
    return f"{type(strategy).__name__} {strategy.parameters if inner is None else type(inner).__name__}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strategy", FITS, ids=name_of)
def test_models_that_barwise_saves_pass(strategy, tmp_path):
    check_model(saved(strategy, tmp_path), 6)


@pytest.mark.parametrize("estimator", [neighbors.KNeighborsClassifier(), svm.SVC(probability=False)])
def test_others_pass_when_they_are_allowed_by_name(estimator, tmp_path):
    folder = saved(SklearnStrategy(estimator), tmp_path)
    with pytest.raises(DataError, match="--allow sklearn"):
        check_model(folder, 6)
    allowed: set[str] = set()
    for _ in range(2):  # the estimator, and for neighbours its distance
        try:
            check_model(folder, 6, frozenset(allowed))
        except DataError as error:
            allowed.add(str(error).rpartition(" ")[2])
    check_model(folder, 6, frozenset(allowed))


def test_neighbours_outside_their_classes_pass_by_no_other_name(tmp_path):
    folder = saved(SklearnStrategy(neighbors.KNeighborsClassifier(algorithm="brute")), tmp_path)
    check_model(folder, 6)
    path = folder / "model.skops"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    labels = json.loads(files["schema.json"])["content"]["content"]["_y"]["file"]
    changed = BytesIO()
    np.save(changed, np.load(BytesIO(files[labels])) + 5)
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in (files | {labels: changed.getvalue()}).items():
            archive.writestr(name, raw)
    for allowed in (frozenset(), frozenset({"sklearn.svm.SVC"})):
        with pytest.raises(DataError, match="its neighbours are not 6 columns in plain arrays"):
            check_model(folder, 6, allowed)
