"""The notebook's classes on a plain frame, and what scikit-learn expects of an estimator."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from barwise.data.bars import Bars
from barwise.errors import ConfigError, DataError
from barwise.features.cross_section import cross_section
from barwise.notebook import Features, LightGBMStrategy, LSTMStrategy, RandomForestStrategy, XGBoostStrategy, estimators

SMALL = [
    XGBoostStrategy(n_estimators=20),
    LightGBMStrategy(n_estimators=20),
    RandomForestStrategy(n_estimators=10),
    LSTMStrategy(lookback=5, hidden_size=8, epochs=2, batch_size=256, device="cpu"),
]


@pytest.fixture(scope="module")
def frame(market: list[Bars]) -> pd.DataFrame:
    b = market[0]
    columns = {name: getattr(b, name) for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(b.time, name="date", tz="UTC"))


@pytest.mark.parametrize("strategy", SMALL, ids=lambda s: type(s).__name__)
def test_train_on_a_frame_and_get_signals_with_its_dates(strategy, frame):
    strategy = clone(strategy).train_model(frame.iloc[:450])
    signals = strategy.generate_signals(frame)
    assert signals.index.equals(frame.index) and set(signals.unique()) <= {-1.0, 0.0, 1.0}
    assert signals.iloc[450:].abs().sum() > 5  # it trades where it has not learned
    features = strategy.create_features(frame)
    scores = strategy.predict(features)
    assert features.index.equals(frame.index) and len(scores) == len(frame) and np.nanmax(np.abs(scores)) <= 1
    pd.testing.assert_series_equal(strategy.predictions_to_signals(pd.Series(scores, frame.index)), signals)
    assert (signals[np.isnan(scores)] == 0).all() and np.isnan(scores[0]) and np.isfinite(scores[450:]).all()


def test_a_set_that_compares_symbols_is_refused_on_a_frame_of_one(frame):
    with pytest.raises(
        ConfigError, match=r"features\.cross_section: compares the symbols of a bar, and data is given by"
    ):
        Features({"cross_section": cross_section}).transform(frame)


def test_nothing_of_the_future_is_in_a_signal(frame):
    strategy = XGBoostStrategy(n_estimators=20).train_model(frame.iloc[:400])
    whole = strategy.generate_signals(frame)
    pd.testing.assert_series_equal(strategy.generate_signals(frame.iloc[:480]), whole.iloc[:480], check_freq=False)


def test_validation_bars_stop_it_and_set_the_thresholds(frame):
    own = XGBoostStrategy().train_model(frame.iloc[:400])
    given = XGBoostStrategy().train_model(frame.iloc[:400], frame.iloc[400:500])
    assert own.rule_ != given.rule_
    with pytest.raises(DataError, match="time runs backwards"):
        XGBoostStrategy().train_model(frame.iloc[100:400], frame.iloc[:100])


def test_seeds_fixed_threshold_is_a_choice(frame):
    strategy = XGBoostStrategy(threshold=0.5, n_estimators=5).train_model(frame)
    np.testing.assert_array_equal(strategy.predictions_to_signals([0.6, 0.5, -0.6, np.nan]), [1, 0, -1, 0])


def test_the_scores_are_those_of_the_strategy_underneath(frame):
    """The same rows, the same settings: the run's own class gives the same numbers."""
    from barwise.samples import Samples
    from barwise.strategies.base import FitContext
    from barwise.strategies.xgb import XGBoostStrategy as Core

    strategy = XGBoostStrategy(n_estimators=7).train_model(frame)
    features = strategy.create_features(frame)
    from barwise.labels import next_return_sign
    from barwise.notebook.frames import bars_of, panel_of

    y = next_return_sign(bars_of(frame)).y
    rows = np.flatnonzero(features.notna().all(axis=1) & np.isfinite(y))
    panel = panel_of(features.to_numpy(np.float32)[rows], y[rows])
    cut = len(rows) - len(rows) // 5
    core = Core(**{**estimators._shipped("xgboost"), "n_estimators": 7})
    core.fit(Samples(panel, np.arange(cut - 2)), Samples(panel, np.arange(cut, len(rows))), FitContext())
    np.testing.assert_array_equal(strategy.predict(features)[rows], core.predict(Samples(panel, np.arange(len(rows)))))


def test_clone_parameters_and_pipeline(frame):
    strategy = LSTMStrategy(lookback=7)
    assert clone(strategy).get_params()["lookback"] == 7
    assert strategy.set_params(epochs=3).epochs == 3
    pipe = Pipeline([("features", Features()), ("model", XGBoostStrategy(n_estimators=5))])
    y = np.sign(frame["close"].pct_change().shift(-1)).fillna(0)
    assert pipe.fit(frame, y).predict(frame).shape == (len(frame),)


@pytest.mark.parametrize(
    ("change", "error", "line"),
    [
        (lambda f: f.to_numpy(), ConfigError, "must be a pandas frame"),
        (lambda f: f.drop(columns="volume"), DataError, "no column for volume"),
        (lambda f: f.assign(close=-f["close"]), DataError, "close is not above 0"),
        (lambda f: f.iloc[::-1], DataError, "time runs backwards"),
        (lambda f: f.iloc[:10], DataError, "no bar has both features and a label"),
    ],
)
def test_what_is_no_frame_of_bars_is_told(change, error, line, frame):
    with pytest.raises(error, match=line):
        XGBoostStrategy().train_model(change(frame))


def test_any_case_of_names_and_a_plain_index(frame):
    other = frame.rename(columns=str.title).reset_index(drop=True)
    one, two = (XGBoostStrategy(n_estimators=5).train_model(f) for f in (frame, other))
    np.testing.assert_array_equal(one.generate_signals(frame), two.generate_signals(other))


@parametrize_with_checks([XGBoostStrategy(n_estimators=5)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([LightGBMStrategy(n_estimators=5), RandomForestStrategy(n_estimators=5)])
def test_scikit_learns_own_checks_of_the_others(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(XGBoostStrategy, "xgboost"), (LightGBMStrategy, "lightgbm"), (RandomForestStrategy, "random_forest"),
     (LSTMStrategy, "lstm")],
)  # fmt: skip
def test_a_strategy_has_the_settings_of_the_runs(kind, name):
    """One truth: what is said in a notebook and what conf/ says are the same model."""
    shipped = estimators._shipped(name)
    shipped = {**shipped, **shipped.get("estimator", {})}
    defaults = {key: p.default for key, p in inspect.signature(kind).parameters.items() if key in shipped}
    assert defaults and defaults == {key: shipped[key] for key in defaults}
    if name in ("xgboost", "lightgbm"):
        assert kind()._strategy(np.array([0.5, 0.25])).parameters.items() <= shipped.items()
