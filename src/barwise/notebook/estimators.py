"""The strategies as scikit-learn estimators, with names for frames of bars."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import yaml
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from barwise.console.config import conf_dir
from barwise.devices.choice import DeviceSettings
from barwise.devices.choose import resolve as resolve_device
from barwise.errors import DataError
from barwise.experiment.fitting import fit_fold
from barwise.experiment.session import FitSession
from barwise.features import FeatureSet
from barwise.features.lagged import lagged
from barwise.features.matrix import compute
from barwise.features.microstructure import microstructure
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.features.volume import volume
from barwise.labels import next_return_sign
from barwise.notebook.frames import bars_of, on_record, panel_of, warm_rows
from barwise.samples import Scaler
from barwise.signals import FixedThreshold, Quantile, SignalRule
from barwise.strategies import scores
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import needs_torch
from barwise.strategies.rows import scores_of
from barwise.validation.folds import Fold

_ALL: dict[str, FeatureSet] = {
    "price": price,
    "volume": volume,
    "technical": technical,
    "microstructure": microstructure,
}
_GAP = 2  # rows between training and validation: a label of t ends two bars later
_FEWEST = 20  # rows below which nothing is set aside for validation


def _shipped(name: str) -> dict[str, Any]:
    """The settings of `conf/strategy/NAME.yaml`, which a run's strategy has too."""
    text = (Path(conf_dir()) / "strategy" / f"{name}.yaml").read_text(encoding="utf-8")
    return {key: value for key, value in yaml.safe_load(text).items() if key not in ("_target_", "defaults", "n_seeds")}


class FrameStrategy(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the strategies share: names on frames, and `fit(X, y)`, `predict(X)` on features.

    A score lies in [-1, 1]; NaN before every feature is defined (and before `lookback` rows, for the LSTM). The last
    fifth of the training rows, or `val_data`, tells when to stop; signals take their thresholds from its scores, or
    from `threshold` (such as 0.5) where it is a number.
    """

    feature_sets: Mapping[str, FeatureSet] | None
    threshold: float | None
    random_state: int
    device: str

    def create_features(self, data: pd.DataFrame) -> pd.DataFrame:
        """Features of each bar, with the frame's index; NaN where not defined."""
        return pd.DataFrame(compute(bars_of(data), self._sets()), index=data.index)

    def train_model(self, train_data: pd.DataFrame, val_data: pd.DataFrame | None = None) -> Self:
        """Learn the sign of the return that a trade at the next bar's open earns over one bar.

        `val_data`: later bars, for stopping and thresholds; the last fifth of `train_data` without it.
        """
        on_record(*([train_data] if val_data is None else [train_data, val_data]))
        parts = [train_data] if val_data is None else [train_data, val_data]
        whole = pd.concat(parts) if val_data is not None else train_data
        features = self.create_features(whole)  # row t uses bars <= t, so that later bars change no training row
        y = np.concatenate([next_return_sign(bars_of(part)).y for part in parts])  # no label reaches across
        rows = np.flatnonzero(np.isfinite(y) & warm_rows(features.to_numpy(np.float64)))
        if not len(rows):
            raise DataError("train_data: no bar has both features and a label; give more bars")
        cut = int(np.searchsorted(rows, len(train_data))) if val_data is not None else None
        return self._learn(features.iloc[rows], y[rows], cut)

    def predict(self, X: Any) -> np.ndarray:
        """A score for each row of features."""
        check_is_fitted(self, "strategy_")
        array = validate_data(self, X, reset=False, dtype=np.float32, ensure_all_finite="allow-nan")
        panel = panel_of(array, np.zeros(len(array)))
        return scores_of(self.strategy_, panel, np.arange(len(array)), self.scaler_)

    def generate_signals(self, data: pd.DataFrame) -> pd.Series:
        """Features, scores and signals of each bar, with the frame's index."""
        features = self.create_features(data)
        on_record(data)
        return self.predictions_to_signals(pd.Series(self.predict(features), index=features.index))

    def predictions_to_signals(self, predictions: Any) -> pd.Series:
        """-1, 0 or 1 by the learned (or given) thresholds; NaN is 0. The index of a Series is kept."""
        check_is_fitted(self, "rule_")
        index = predictions.index if isinstance(predictions, pd.Series) else pd.RangeIndex(len(predictions))
        values = np.asarray(predictions, dtype=np.float64)
        return pd.Series(self.rule_(values, np.arange(len(values))), index=index, name="signal")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn `y` (-1, 0, 1, or returns) from features, oldest row first."""
        return self._learn(X, y, None)

    def _learn(self, X: Any, y: Any, first_valid: int | None) -> Self:
        array, target = validate_data(self, X, y, dtype=np.float32, ensure_all_finite="allow-nan", y_numeric=True)
        target = np.asarray(target, dtype=np.float64)
        n = len(array)
        cut = first_valid if first_valid is not None else n if n < _FEWEST else n - n // 5
        train = np.arange(cut if first_valid is not None or cut == n else max(1, cut - _GAP))
        fold = Fold(0, train, np.arange(cut, n), np.zeros(0, np.int64))
        panel = panel_of(array, target)
        strategy = self._strategy(target)
        used = resolve_device(DeviceSettings(name=self.device, parity=False), None, needs_torch(strategy)).used
        context = FitSession(None, used, 1, self.random_state).context(fold)
        self.strategy_: Strategy
        self.scaler_: Scaler | None
        self.strategy_, self.scaler_ = fit_fold(panel, fold, strategy, context)
        self.rule_ = self._rule(scores_of(self.strategy_, panel, fold.valid, self.scaler_))
        return self

    def _rule(self, valid_scores: np.ndarray) -> SignalRule:
        if self.threshold is not None:
            return FixedThreshold(self.threshold, -self.threshold)
        return Quantile().fit(valid_scores) if np.isfinite(valid_scores).any() else FixedThreshold()

    def _sets(self) -> Mapping[str, FeatureSet]:
        return self.feature_sets if self.feature_sets is not None else self._default_sets()

    def _default_sets(self) -> Mapping[str, FeatureSet]:
        return {"lagged": partial(lagged, feature_lookback=self.feature_lookback)}

    def _strategy(self, y: np.ndarray) -> Strategy:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True  # a score is a direction in [-1, 1], not a guess at y
        return tags


class XGBoostStrategy(FrameStrategy):
    """Gradient-boosted trees on lagged returns and their moments."""

    def __init__(
        self,
        n_estimators: int = 300,
        max_depth: int = 3,
        learning_rate: float = 0.05,
        feature_lookback: int = 20,
        feature_sets: Mapping[str, FeatureSet] | None = None,
        threshold: float | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.feature_lookback = feature_lookback
        self.feature_sets = feature_sets
        self.threshold = threshold
        self.random_state = random_state
        self.device = device

    def _strategy(self, y: np.ndarray) -> Strategy:
        from barwise.strategies.xgb import XGBoostStrategy as Core

        given = {"n_estimators": self.n_estimators, "max_depth": self.max_depth, "learning_rate": self.learning_rate}
        return Core(**{**_shipped("xgboost"), **given})


class LightGBMStrategy(FrameStrategy):
    """The same, with trees grown leaf by leaf."""

    def __init__(
        self,
        n_estimators: int = 300,
        num_leaves: int = 8,
        learning_rate: float = 0.05,
        feature_lookback: int = 20,
        feature_sets: Mapping[str, FeatureSet] | None = None,
        threshold: float | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.feature_lookback = feature_lookback
        self.feature_sets = feature_sets
        self.threshold = threshold
        self.random_state = random_state
        self.device = device

    def _strategy(self, y: np.ndarray) -> Strategy:
        from barwise.strategies.lgbm import LightGBMStrategy as Core

        given = {"n_estimators": self.n_estimators, "num_leaves": self.num_leaves, "learning_rate": self.learning_rate}
        return Core(**{**_shipped("lightgbm"), **given})


class RandomForestStrategy(FrameStrategy):
    """A random forest: of classifiers for signs, of regressors for anything else."""

    def __init__(
        self,
        n_estimators: int = 200,
        max_depth: int | None = 6,
        min_samples_leaf: int = 50,
        feature_lookback: int = 20,
        feature_sets: Mapping[str, FeatureSet] | None = None,
        threshold: float | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.feature_lookback = feature_lookback
        self.feature_sets = feature_sets
        self.threshold = threshold
        self.random_state = random_state
        self.device = device

    def _strategy(self, y: np.ndarray) -> Strategy:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        from barwise.strategies.sklearn import SklearnStrategy

        kind = RandomForestClassifier if scores.is_classes(y) else RandomForestRegressor
        given = {"n_estimators": self.n_estimators, "max_depth": self.max_depth}
        settings = {key: value for key, value in _shipped("random_forest")["estimator"].items() if key != "_target_"}
        forest = kind(**{**settings, **given, "min_samples_leaf": self.min_samples_leaf})
        return SklearnStrategy(forest, takes_nan=True)


class LSTMStrategy(FrameStrategy):
    """An LSTM, by Lightning. Rows are a sequence: their order matters, as scikit-learn does not expect."""

    def __init__(
        self,
        lookback: int = 30,
        hidden_size: int = 64,
        num_layers: int = 2,
        learning_rate: float = 0.001,
        batch_size: int = 256,
        epochs: int = 8,
        patience: int = 2,
        feature_sets: Mapping[str, FeatureSet] | None = None,
        threshold: float | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.lookback = lookback
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.feature_sets = feature_sets
        self.threshold = threshold
        self.random_state = random_state
        self.device = device

    def _default_sets(self) -> Mapping[str, FeatureSet]:
        return _ALL

    def _strategy(self, y: np.ndarray) -> Strategy:
        from barwise.strategies.sequence import SequenceStrategy

        names = ("lookback", "hidden_size", "num_layers", "learning_rate", "batch_size", "epochs", "patience")
        return SequenceStrategy(**{**_shipped("lstm"), **{name: getattr(self, name) for name in names}})


class Features(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Bars to features, for a Pipeline: the plain sets unless `feature_sets` says otherwise."""

    def __init__(self, feature_sets: Mapping[str, FeatureSet] | None = None) -> None:
        self.feature_sets = feature_sets

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Nothing is learned."""
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Features of each bar, with the frame's index."""
        return pd.DataFrame(compute(bars_of(X), self.feature_sets or _ALL), index=X.index)

    def __sklearn_is_fitted__(self) -> bool:
        return True
