"""No false alarm: what looks odd and is honest passes a whole run, and the proof of all its test rows, unsuspected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from barwise.console.progress import Progress
from barwise.data.bars import Bars
from barwise.experiment import run as experiment
from barwise.experiment.run import run
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.features.price import price
from barwise.runs.directory import RunDirectory
from barwise.samples import Samples
from barwise.strategies.sklearn import SklearnStrategy
from tests.audit.cases import honest
from tests.audit.strategies import Honest

CACHE: dict[int, np.ndarray] = {}
WEIGHTS = np.random.default_rng(5).normal(size=(10, 4))


def close(bars: Bars) -> pd.Series:
    return pd.Series(bars.close)


def returns(bars: Bars) -> np.ndarray:
    return np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))


def expanding_z(bars: Bars) -> np.ndarray:
    move = close(bars).pct_change()
    return ((move - move.expanding(20).mean()) / move.expanding(20).std()).to_numpy()


def slow_average(bars: Bars) -> np.ndarray:
    return (close(bars) / close(bars).ewm(span=500, adjust=False).mean()).to_numpy()


def extremes(bars: Bars) -> np.ndarray:
    return bars.close / np.maximum.accumulate(bars.high)


def day_of_the_week(bars: Bars) -> np.ndarray:
    return pd.DatetimeIndex(bars.time).dayofweek.to_numpy(float)


def day_of_the_year(bars: Bars) -> np.ndarray:
    return pd.DatetimeIndex(bars.time).dayofyear.to_numpy(float)


def year(bars: Bars) -> np.ndarray:
    return pd.DatetimeIndex(bars.time).year.to_numpy(float)


def projection(bars: Bars) -> np.ndarray:
    moves = np.column_stack([close(bars).pct_change(k + 1).to_numpy() for k in range(10)])
    return (np.nan_to_num(moves) @ WEIGHTS)[:, 0]


def seeded(bars: Bars) -> np.ndarray:
    return np.random.default_rng(3).normal(size=len(bars))


def seeded_by_symbol(bars: Bars) -> np.ndarray:
    return np.random.default_rng(sum(map(ord, bars.symbol))).normal(size=len(bars))


def events(bars: Bars) -> np.ndarray:
    move = close(bars).pct_change().abs()
    return (move > 4 * move.rolling(60).std()).to_numpy(float)


def long_warm_up(bars: Bars) -> np.ndarray:
    return (close(bars) / close(bars).rolling(300).mean()).to_numpy()


def on_balance_volume(bars: Bars) -> np.ndarray:
    return np.cumsum(np.sign(np.diff(bars.close, prepend=bars.close[0])) * bars.volume)


def trailing_fft(bars: Bars) -> np.ndarray:
    waves = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(returns(bars), 64), axis=1)
    return np.concatenate([np.full(63, np.nan), np.abs(waves)[:, 3]])


def kalman(bars: Bars) -> np.ndarray:
    state, width, out = np.log(bars.close[0]), 1.0, np.empty(len(bars))
    for i, seen in enumerate(np.log(bars.close)):
        width += 1e-5
        gain = width / (width + 1e-3)
        state, width = state + gain * (seen - state), width * (1 - gain)
        out[i] = seen - state
    return out


def garch(bars: Bars) -> np.ndarray:
    variance, out = 1e-4, np.empty(len(bars))
    for i, move in enumerate(returns(bars)):
        variance = 1e-6 + 0.08 * move**2 + 0.9 * variance
        out[i] = np.sqrt(variance)
    return out


def kept_by_content(bars: Bars) -> np.ndarray:
    key = hash(bars.close.tobytes())
    if key not in CACHE:
        CACHE[key] = close(bars).pct_change(3).to_numpy()
    return CACHE[key]


@across_symbols
def above_the_bar(market: AlignedBars) -> dict[str, np.ndarray]:
    moves = pd.DataFrame(market.close).pct_change().to_numpy()
    return {"mine": moves - np.nanmean(moves, axis=1, keepdims=True)}


class Online(Honest):
    """Goes on learning from labels that had ended by the bar that is scored, and does not say so."""

    def predict(self, samples: Samples) -> np.ndarray:
        score, panel = super().predict(samples), samples.panel
        past = Samples(panel, np.flatnonzero(panel.end <= samples.time.max()))
        order = np.argsort(panel.end[past.rows], kind="stable")
        total = np.concatenate([[0.0], np.cumsum(past.y[order])])
        known = np.searchsorted(panel.end[past.rows][order], samples.time, side="right")
        return np.clip(score + 0.01 * total[known] / np.maximum(known, 1), -1, 1)


class DeclaredOnline(Online):
    online = True


class DemeanedByBar(Honest):
    def predict(self, samples: Samples) -> np.ndarray:
        score = super().predict(samples)
        return np.clip(score - pd.Series(score).groupby(samples.time).transform("mean").to_numpy(), -1, 1)


def feature(made: Callable[[Bars], np.ndarray]) -> dict[str, Any]:
    return {"features": {"price": price, "mine": lambda bars: {"mine": made(bars)}}}


def estimator(made: Any) -> dict[str, Any]:
    return {"strategy": SklearnStrategy(made, scale=True)}


BOTH = [("bayes", GaussianNB()), ("logistic", LogisticRegression())]
FEATURES = (
    expanding_z, slow_average, extremes, day_of_the_week, day_of_the_year, year, projection, seeded, seeded_by_symbol,
    events, long_warm_up, on_balance_volume, trailing_fft, kalman, garch, kept_by_content,
)  # fmt: skip
CASES = {
    **{made.__name__: feature(made) for made in FEATURES},
    "above the bar": {"features": {"price": price, "mine": above_the_bar}},
    "neighbours": estimator(KNeighborsClassifier(15)),
    "gaussian process": estimator(GaussianProcessRegressor(alpha=1.0)),
    "stacking": estimator(StackingClassifier(BOTH, cv=3)),
    "voting": estimator(VotingClassifier(BOTH, voting="soft")),
    "calibrated": estimator(CalibratedClassifierCV(GaussianNB(), cv=3)),
    "mlp": estimator(MLPClassifier((8,), max_iter=30)),
    "online": {"strategy": Online()},
    "declared online": {"strategy": DeclaredOnline()},
    "demeaned by bar": {"strategy": DemeanedByBar()},
}


QUICK = ("expanding_z", "year", "seeded_by_symbol", "events", "kalman", "kept_by_content", "above the bar",
         "neighbours", "voting", "online", "declared online", "demeaned by bar")  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_it_passes_and_is_proven(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment, "may_be_evidence", lambda excess: True)
    out = RunDirectory(tmp_path)
    out.start()
    run(honest(**CASES[name]), out, Progress(quiet=True))
    found = json.loads((tmp_path / "run.json").read_text())["audit"]
    assert found["passed"] and not found["not_audited"] and not found["suspicions"] and not found["implausible"]
    assert found["proven"]["share"] == 1.0
