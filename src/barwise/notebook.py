"""Strategies on a plain frame of one symbol's bars, and as scikit-learn estimators; a run's own code inside.

strategy = XGBoostStrategy(n_estimators=100)
strategy.train_model(bars.loc[:"2019"])
signals = strategy.generate_signals(bars)           # a Series with the frame's dates
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from barwise.data.bars import COLUMNS, Bars
from barwise.data.checks import check_bars
from barwise.data.columns import resolve
from barwise.devices.choice import DeviceSettings
from barwise.devices.choose import resolve as resolve_device
from barwise.errors import ConfigError, DataError
from barwise.evidence.looks import UNRECORDED, SealWatch
from barwise.experiment.run import fit_fold, scores_of
from barwise.experiment.session import FitSession
from barwise.features import FeatureSet
from barwise.features.lagged import lagged
from barwise.features.matrix import compute
from barwise.features.microstructure import microstructure
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.features.volume import volume
from barwise.labels import next_return_sign
from barwise.panel import stretch_starts
from barwise.samples import Panel, Scaler
from barwise.signals import FixedThreshold, Quantile, SignalRule
from barwise.strategies import scores
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import needs_torch
from barwise.validation.folds import Fold

ALL: dict[str, FeatureSet] = {
    "price": price,
    "volume": volume,
    "technical": technical,
    "microstructure": microstructure,
}
GAP = 2  # rows between training and validation: a label of t ends two bars later
FEWEST = 20  # rows below which nothing is set aside for validation


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
        rows = np.flatnonzero(np.isfinite(y) & _warm(features.to_numpy(np.float64)))
        if not len(rows):
            raise DataError("train_data: no bar has both features and a label; give more bars")
        cut = int(np.searchsorted(rows, len(train_data))) if val_data is not None else None
        return self._learn(features.iloc[rows], y[rows], cut)

    def predict(self, X: Any) -> np.ndarray:
        """A score for each row of features."""
        check_is_fitted(self, "strategy_")
        array = validate_data(self, X, reset=False, dtype=np.float32, ensure_all_finite="allow-nan")
        panel = _panel(array, np.zeros(len(array)))
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
        cut = first_valid if first_valid is not None else n if n < FEWEST else n - n // 5
        train = np.arange(cut if first_valid is not None or cut == n else max(1, cut - GAP))
        fold = Fold(0, train, np.arange(cut, n), np.zeros(0, np.int64))
        panel = _panel(array, target)
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
        n_estimators: int = 100,
        max_depth: int = 5,
        learning_rate: float = 0.1,
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

        return Core(self.n_estimators, self.max_depth, self.learning_rate, early_stopping_rounds=10)


class LightGBMStrategy(FrameStrategy):
    """The same, with trees grown leaf by leaf."""

    def __init__(
        self,
        n_estimators: int = 100,
        num_leaves: int = 15,
        learning_rate: float = 0.1,
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

        return Core(self.n_estimators, self.num_leaves, self.learning_rate, early_stopping_rounds=10)


class RandomForestStrategy(FrameStrategy):
    """A random forest: of classifiers for signs, of regressors for anything else."""

    def __init__(
        self,
        n_estimators: int = 100,
        max_depth: int | None = 6,
        min_samples_leaf: int = 5,
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
        forest = kind(self.n_estimators, max_depth=self.max_depth, min_samples_leaf=self.min_samples_leaf)
        return SklearnStrategy(forest, takes_nan=True)


class LSTMStrategy(FrameStrategy):
    """An LSTM, by Lightning. Rows are a sequence: their order matters, as scikit-learn does not expect."""

    def __init__(
        self,
        lookback: int = 30,
        hidden_size: int = 64,
        num_layers: int = 2,
        learning_rate: float = 0.001,
        batch_size: int = 32,
        epochs: int = 50,
        patience: int = 5,
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
        return ALL

    def _strategy(self, y: np.ndarray) -> Strategy:
        from barwise.strategies.sequence import SequenceStrategy

        return SequenceStrategy(
            self.lookback, self.hidden_size, self.num_layers, learning_rate=self.learning_rate,
            batch_size=self.batch_size, epochs=self.epochs, patience=self.patience,
        )  # fmt: skip


class Features(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Bars to features, for a Pipeline: the plain sets unless `feature_sets` says otherwise."""

    def __init__(self, feature_sets: Mapping[str, FeatureSet] | None = None) -> None:
        self.feature_sets = feature_sets

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Nothing is learned."""
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Features of each bar, with the frame's index."""
        return pd.DataFrame(compute(bars_of(X), self.feature_sets or ALL), index=X.index)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def on_record(*frames: pd.DataFrame) -> None:
    """Put on record in `outputs` that sealed bars were seen, if a trial there has sealed bars of these dates; of the
    symbol that `frame.attrs["symbol"]` names, else of any."""
    watch = SealWatch(Path("outputs"), "notebook", "notebook") if Path("outputs").is_dir() else None
    for frame in frames if watch and watch.seals else ():
        if isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex) and len(frame):
            times, symbol = _times(frame.index), frame.attrs.get("symbol")
            if watch and not watch.look(None if symbol is None else [str(symbol)], times.min(), times.max()):
                warnings.warn(UNRECORDED, stacklevel=3)


def bars_of(data: pd.DataFrame, symbol: str = "data") -> Bars:
    """A frame of one symbol (open, high, low, close, volume, in any case; times as its index) as checked Bars.

    Numbers as index count bars. DataError for what is no series of bars.
    """
    if not isinstance(data, pd.DataFrame):
        raise ConfigError(
            f"data: is a {type(data).__name__}; must be a pandas frame with open, high, low, close, volume"
        )
    names = resolve([*map(str, data.columns), "time"], {"time": "time"}, "data")
    if "volume" not in names:
        raise DataError(f"data: no column for volume; it has {', '.join(map(str, data.columns))}")
    plain = data.rename(columns=str)
    columns = {ours: plain[theirs].to_numpy(np.float64) for ours, theirs in names.items()
               if ours not in ("time", "symbol") and pd.api.types.is_numeric_dtype(plain[theirs])}  # fmt: skip
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataError(f"data: {missing[0]} holds no numbers")
    prices = {name: columns.pop(name) for name in COLUMNS}
    bars = Bars(symbol, _times(data.index), **prices, extra=columns)
    check_bars(bars)
    return bars


def _times(index: pd.Index) -> np.ndarray:
    if not isinstance(index, pd.DatetimeIndex):
        return np.datetime64("1970-01-01", "ns") + np.arange(len(index)) * np.timedelta64(1, "D")
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    found: np.ndarray = utc.to_numpy("datetime64[ns]")
    return found


def _panel(X: np.ndarray, y: np.ndarray) -> Panel:
    """Rows of one symbol as a panel; the days are made up."""
    n = len(X)
    warm = _warm(X)
    finite = warm & np.isfinite(X).all(axis=1)
    time = np.datetime64("1970-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Panel(
        X=X, features=tuple(f"f{i}" for i in range(X.shape[1])), symbols=("data",), symbol=np.zeros(n, np.int32),
        time=time, y=y, ret=y, end=time, weight=np.ones(n), finite=finite, warm=warm,
        start=stretch_starts(finite, np.array([0, n])),
    )  # fmt: skip


def _warm(X: np.ndarray) -> np.ndarray:
    """Rows at which every column has been defined once."""
    return np.asarray(np.logical_or.accumulate(np.isfinite(X), axis=0).all(axis=1))
