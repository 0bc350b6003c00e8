"""Honest parts of every group, odd as they look: none is refused, stamped or suspected by a run and its proof."""

from __future__ import annotations

import functools
import json
import logging
import warnings
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC

from barwise.backtest.costs import Prices
from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest, Ledger
from barwise.console.progress import Progress
from barwise.data.bars import Bars
from barwise.experiment import run as experiment
from barwise.experiment.run import run
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.features.price import price
from barwise.labels import held
from barwise.portfolio.context import Context
from barwise.portfolio.portfolio import Portfolio
from barwise.runs.directory import RunDirectory
from barwise.samples import Labels, Samples
from barwise.strategies.base import FitContext
from barwise.strategies.sklearn import SklearnStrategy
from barwise.validation.folds import Validation
from tests.audit.cases import honest
from tests.audit.strategies import Honest

LOG = logging.getLogger("own")


@functools.lru_cache(maxsize=64)
def window_weights(length: int) -> np.ndarray:
    """Of a size alone: the same whatever was computed before."""
    return np.linspace(0.5, 1.0, length) / np.linspace(0.5, 1.0, length).sum()


def weighted(bars: Bars) -> np.ndarray:
    w = window_weights(20)
    return np.append(np.full(19, np.nan), np.convolve(bars.close, w[::-1], mode="valid")) / bars.close


def by_a_queue(bars: Bars) -> np.ndarray:
    """A window kept in a queue of the call's own, with a line in the log and a warning."""
    seen: deque[float] = deque(maxlen=15)
    out = []
    for close in bars.close:
        seen.append(close)
        out.append(close / max(seen) - 1)
    LOG.info("%s: %d bars", bars.symbol, len(bars))
    warnings.warn("slow", stacklevel=2)
    return np.array(out)


def with_numba_like_state(bars: Bars) -> np.ndarray:
    """An object that learns bar by bar and is made anew for each symbol."""

    class Mean:
        def __init__(self) -> None:
            self.n, self.mean = 0, 0.0

        def update(self, x: float) -> float:
            self.n += 1
            self.mean += (x - self.mean) / self.n
            return self.mean

    mean = Mean()
    return bars.close / np.array([mean.update(x) for x in bars.close])


def hurst(bars: Bars) -> np.ndarray:
    logs = pd.Series(np.log(bars.close))
    return (logs.diff(8).rolling(60).std() / logs.diff(2).rolling(60).std()).to_numpy()


def since_the_last_jump(bars: Bars) -> np.ndarray:
    move = pd.Series(bars.close).pct_change().abs()
    jump = (move > 3 * move.rolling(40).std()).to_numpy()
    return np.arange(len(bars)) - np.maximum.accumulate(np.where(jump, np.arange(len(bars)), 0.0))


@across_symbols
def leader(market: AlignedBars) -> dict[str, np.ndarray]:
    """What the other symbols did on the bar before."""
    moves = np.nan_to_num(pd.DataFrame(market.close).pct_change().to_numpy())
    others = (moves.sum(axis=1, keepdims=True) - moves) / max(1, moves.shape[1] - 1)
    return {"mine": np.where(market.has, np.vstack([np.zeros((1, moves.shape[1])), others[:-1]]), np.nan)}


class Cached(Honest):
    """Keeps what it computed of rows by what they hold, and logs as it goes."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.kept_: dict[bytes, float] = {}
        if context.folder is not None:
            context.folder.mkdir(parents=True, exist_ok=True)
            (context.folder / "notes.txt").write_text("fitted")
        return super().fit(train, valid, context)

    def predict(self, samples: Samples) -> np.ndarray:
        LOG.info("%d rows", len(samples))
        score = super().predict(samples)
        return np.array([self.kept_.setdefault(x.tobytes(), s) for x, s in zip(samples.X, score, strict=True)])


class Decaying(Honest):
    """Weighs training rows by their age, which dates tell."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        age = (train.time.max() - train.time) / np.timedelta64(1, "D")
        w = np.sqrt(0.5 ** (age / 365))[:, None]
        self.columns_ = np.arange(train.X.shape[1])
        self.learn(train.X * w, train.y * w[:, 0])
        return self


class Committee(Honest):
    """Several members, each by its own dice from the context's seed."""

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        random = np.random.default_rng(3)
        rows = [random.integers(len(X), size=len(X)) for _ in range(5)]
        found = []
        for one in rows:
            Honest.learn(self, X[one], y[one])
            found.append(self.weight_)
        self.weight_ = np.mean(found, axis=0)


class Smoothed:
    """A rule that needs some bars of scores before the one it decides."""

    def fit(self, scores: np.ndarray) -> Self:
        self.scale_ = float(np.nanstd(scores)) or 1.0
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        days, place = np.unique(time, return_inverse=True)
        mean = np.array([np.nanmean(score[place == k]) for k in range(len(days))])
        slow = pd.Series(mean).ewm(span=5, adjust=False).mean().to_numpy()
        return np.sign(np.nan_to_num(score / self.scale_ + 0.1 * slow[place]))

    def facts(self) -> dict[str, float]:
        return {"scale": self.scale_}


class Halved(Backtest):
    """Trades half of what it is asked for."""

    def trade(self, grid: Grid, target: np.ndarray, *rest: Any) -> Ledger:
        return super().trade(grid, 0.5 * target, *rest)


class ByRange:
    """Costs by the range of the bars before."""

    def on(self, grid: Grid, execution: str, commission_bps: float, slippage_bps: float, capital: float) -> Prices:
        moves = pd.DataFrame(np.abs(grid.close / grid.before - 1)).rolling(10).mean().shift(1)
        return Prices(1e-4 + 0.02 * np.nan_to_num(moves.to_numpy()))


def by_calm(context: Context) -> np.ndarray:
    calm = pd.DataFrame(context.returns).rolling(20).std().to_numpy()
    return np.nan_to_num(context.signal * 0.005 / np.maximum(calm, 0.005)) / len(context.symbols)


def two_bars(bars: Bars, execution: str = "next_open") -> Labels:
    ret, end = held(bars, 2, execution)
    return Labels(np.sign(ret), ret, end, 1 + np.abs(np.nan_to_num(ret)))


class Thirds:
    """The last third tested in two blocks, trained on all before."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        n = len(X)
        for k in (4, 5):
            yield np.arange(k * n // 6), np.arange(k * n // 6, (k + 1) * n // 6)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 2


def feature(made: Any) -> dict[str, Any]:
    return {"features": {"price": price, "mine": lambda bars: {"mine": made(bars)}}}


def estimator(made: Any) -> dict[str, Any]:
    return {"strategy": SklearnStrategy(made, scale=True)}


CASES: dict[str, dict[str, Any]] = {
    "weights of a window": feature(weighted),
    "a queue": feature(by_a_queue),
    "learning bar by bar": feature(with_numba_like_state),
    "hurst": feature(hurst),
    "since the last jump": feature(since_the_last_jump),
    "what others did before": {"features": {"price": price, "mine": leader}},
    "scores kept by content": {"strategy": Cached()},
    "training rows by age": {"strategy": Decaying()},
    "a committee": {"strategy": Committee()},
    "components": estimator(make_pipeline(StandardScaler(), PCA(3), LogisticRegression())),
    "quantiles": estimator(
        make_pipeline(QuantileTransformer(n_quantiles=50), SGDClassifier(loss="log_loss", random_state=0))
    ),
    "support vectors": estimator(SVC(probability=False)),
    "bagging": estimator(BaggingClassifier(LogisticRegression(), 5, random_state=0)),
    "boosted stumps": estimator(AdaBoostClassifier(n_estimators=10, random_state=0)),
    "a rule with a memory": {"signals": Smoothed()},
    "half of all trades": {"backtest": Halved()},
    "costs by range": {"backtest": Backtest(costs=ByRange())},
    "weights by calm": {"backtest": Backtest(portfolio=Portfolio(by_calm))},
    "labels of two bars": {"labels": two_bars, "backtest": Backtest()},
    "a splitter of one's own": {"validation": Validation(Thirds())},
}
QUICK = ("training rows by age", "weights by calm")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CASES])
def test_it_passes_and_is_proven(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment, "may_be_evidence", lambda excess: True)
    out = RunDirectory(tmp_path)
    out.start()
    run(replace(honest(), **CASES[name]), out, Progress(quiet=True))
    found = json.loads((tmp_path / "run.json").read_text())["audit"]
    assert found["passed"] and not found["not_audited"] and not found["suspicions"] and not found["implausible"]
    assert found["proven"]["share"] == 1.0
