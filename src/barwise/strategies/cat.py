"""CatBoost behind the strategy interface (the extra barwise[catboost])."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Whole, checked
from barwise.errors import ConfigError, require
from barwise.runs.directory import write_text
from barwise.samples import Samples
from barwise.strategies import scores
from barwise.strategies.base import FitContext
from barwise.strategies.boosting import check_parameters

_KEPT = ("features_info", "oblivious_trees", "scale_and_bias")  # of CatBoost's JSON: all that scoring reads
_FILE = "catboost.json"


class CatBoostStrategy:
    """Boosted oblivious trees: every node of a level asks the same question, which restrains them.

    Classes (-1, 0, +1) or a regression, by `task`; stops early on validation rows, which are later in time.
    """

    lookback = 1
    scale = False
    takes_nan = True

    @checked("strategy")
    def __init__(
        self,
        n_estimators: scores.Trees = 300,
        depth: Annotated[int, Whole(1, 16)] = 4,
        learning_rate: scores.Rate = 0.05,
        early_stopping_rounds: scores.Patience | None = 30,
        task: scores.Task = "auto",
        **parameters: Any,
    ) -> None:
        require(
            find_spec("catboost") is not None,
            "strategy=catboost: CatBoost is not installed; pip install 'barwise[catboost]', or strategy=lightgbm",
        )
        check_parameters("CatBoost", parameters)
        self.n_estimators = n_estimators
        self.depth = depth
        self.learning_rate = learning_rate
        self.early_stopping_rounds = early_stopping_rounds
        self.task = task
        self.parameters = parameters

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        classes = scores.classify(self.task, train)
        self.labels_ = np.unique(train.y) if classes else np.zeros(0)  # those that the fold has
        self.sigma_, self.booster_ = float(np.std(train.y)), None
        if self.sigma_ > 0:  # CatBoost refuses labels that are all the same
            self._train(train, valid, context)
        context.facts["rounds"] = self.booster_.tree_count_ if self.booster_ is not None else 0
        return self

    def _train(self, train: Samples, valid: Samples, context: FitContext) -> None:
        import catboost

        watched = self._pool(valid) if len(valid) else None
        stop = self.early_stopping_rounds if watched is not None else None
        cuda = context.device == "cuda"
        options = {
            "iterations": self.n_estimators, "depth": self.depth, "learning_rate": self.learning_rate,
            "loss_function": "MultiClass" if len(self.labels_) else "RMSE", "random_seed": context.seed,
            "thread_count": context.threads, "task_type": "GPU" if cuda else "CPU", "allow_writing_files": False,
            "logging_level": "Silent", "use_best_model": stop is not None,
            **({"od_type": "Iter", "od_wait": stop} if stop else {}),
            **self.parameters,
        }  # fmt: skip
        listener = _Listener(context)
        booster = catboost.CatBoost(options)
        try:
            booster.fit(self._pool(train), eval_set=watched, callbacks=None if cuda else [listener])
        except catboost.CatBoostError as error:
            if listener.raised is None:
                line = str(error).splitlines()[0].partition(": ")[2] or str(error).splitlines()[0]
                raise ConfigError(f"strategy=catboost: {line}") from error
        if listener.raised is not None:  # its own errors are what the library made of ours
            raise listener.raised
        self.text_ = _text(booster, "MultiClass" if len(self.labels_) else "RMSE")
        with TemporaryDirectory() as folder:  # its text has a digit less than memory: what is used is what is kept
            place = Path(folder) / _FILE
            place.write_text(self.text_, encoding="utf-8")
            self.booster_ = _loaded(place)

    def _pool(self, samples: Samples) -> Any:
        import catboost

        y = samples.y
        if len(self.labels_):
            samples = samples.select(np.isin(y, self.labels_))
            y = np.searchsorted(self.labels_, samples.y)
        return catboost.Pool(samples.X, y, weight=samples.weight, feature_names=list(samples.features))

    def predict(self, samples: Samples) -> np.ndarray:
        if self.booster_ is None:  # one class alone, or returns without a difference
            return np.full(len(samples), self.labels_[0] if len(self.labels_) else 0.0)
        predicted = self.booster_.predict(samples.X, prediction_type="RawFormulaVal", thread_count=1)
        if not len(self.labels_):
            return scores.standardized(predicted, self.sigma_)
        odds = np.exp(predicted - predicted.max(axis=1, keepdims=True))
        return scores.direction(odds / odds.sum(axis=1, keepdims=True), self.labels_)

    def contributions(self, samples: Samples) -> np.ndarray:
        """TreeSHAP's, exact; (row, feature + 1), the base last. Source: Lundberg et al. (2018), arXiv:1802.03888."""
        import catboost

        if self.booster_ is None:
            return np.zeros((len(samples), len(samples.features) + 1))
        pool = catboost.Pool(samples.X, feature_names=self.booster_.feature_names_)
        found = np.asarray(self.booster_.get_feature_importance(pool, type="ShapValues", thread_count=1))
        return self._upward(found) if len(self.labels_) else found

    def margin(self, samples: Samples) -> np.ndarray:
        """(row,) before the link; of classes, that of up less that of down."""
        if self.booster_ is None:
            return np.zeros(len(samples))
        found = np.asarray(self.booster_.predict(samples.X, prediction_type="RawFormulaVal", thread_count=1))
        return self._upward(found) if len(self.labels_) else found

    def _upward(self, found: np.ndarray) -> np.ndarray:
        """What is known of each class along axis 1: up less down, 0 for a class that the fold lacked."""
        up, down = (found[:, self.labels_ == side].sum(axis=1) for side in (1.0, -1.0))
        return np.asarray(up - down)

    def importance(self) -> dict[str, float]:
        """Mean change of the prediction where a feature's splits go the other way, as shares of one."""
        if self.booster_ is None:
            return {}
        change = self.booster_.get_feature_importance(type="PredictionValuesChange")
        return dict(zip(self.booster_.feature_names_, (change / (change.sum() or 1.0)).tolist(), strict=True))

    def save(self, folder: Path) -> None:
        settings = {"labels": self.labels_.tolist(), "sigma": self.sigma_, "constant": self.booster_ is None}
        scores.save_settings(folder, "catboost", settings)
        if self.booster_ is not None:
            write_text(folder / _FILE, self.text_)

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = scores.load_settings(folder, "catboost")
        model = cls()
        model.labels_, model.sigma_ = np.array(settings["labels"], np.float64), float(settings["sigma"])
        model.booster_ = None
        if not settings["constant"]:
            model.text_ = (folder / _FILE).read_text(encoding="utf-8")
            model.booster_ = _loaded(folder / _FILE)
        return model


def _text(booster: Any, loss: str) -> str:
    """The model as JSON, less what it was trained with."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / _FILE
        booster.save_model(str(place), format="json")
        model = json.loads(place.read_text(encoding="utf-8"))
    params = {"flat_params": {}, "loss_function": {"params": {}, "type": loss}}
    return json.dumps({**{name: model[name] for name in _KEPT}, "model_info": {"params": params}})


def _loaded(place: Path) -> Any:
    import catboost

    booster = catboost.CatBoost()
    booster.load_model(str(place), format="json")
    return booster


class _Listener:
    """Logs train and validation loss per round and offers the latter for pruning."""

    def __init__(self, context: FitContext) -> None:
        self.context = context
        self.raised: Exception | None = None

    def after_iteration(self, info: Any) -> bool:
        """Whether training goes on; what was raised is kept, as CatBoost would make an error of its own of it."""
        try:
            for name, kind in (("learn", "train"), ("validation", "valid")):
                for values in info.metrics.get(name, {}).values():
                    self.context.log(f"{kind}_loss", values[-1], info.iteration - 1)
                    if self.context.report and kind == "valid":
                        self.context.report(values[-1], info.iteration - 1)
        except Exception as error:
            self.raised = error
            return False
        return True
