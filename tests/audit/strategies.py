"""Strategies that look where they must not, on top of one that does not: a ridge regression in numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from barwise.samples import Samples
from barwise.strategies.base import FitContext


class Honest:
    """Ridge regression of y on standardised features."""

    lookback = 1
    scale = True
    takes_nan = False
    penalty = 10.0

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.columns_ = np.arange(train.X.shape[1])
        self.learn(train.X, train.y)
        return self

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self.weight_ = solved(X, y, self.penalty)

    def predict(self, samples: Samples) -> np.ndarray:
        return np.tanh(samples.X[:, self.columns_] @ self.weight_)

    def save(self, folder: Path) -> None:
        (folder / "strategy.json").write_text(str(self.weight_.tolist()))

    @classmethod
    def load(cls, folder: Path) -> Any:
        raise NotImplementedError


def solved(X: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    return np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ y)


def everything(samples: Samples) -> Samples:
    """All rows of the market, whatever the fold."""
    panel = samples.panel
    return Samples(panel, np.flatnonzero(panel.finite & np.isfinite(panel.y)), samples.scaler)


class ScaledOnAllRows(Honest):
    """The scaler is fit before the split."""

    scale = False

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        whole = everything(train).X
        self.columns_ = np.arange(whole.shape[1])
        self.mean_, self.std_ = whole.mean(axis=0), whole.std(axis=0)
        self.learn((train.X - self.mean_) / self.std_, train.y)
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        return np.tanh((samples.X - self.mean_) / self.std_ @ self.weight_)


class SelectedOnAllRows(Honest):
    """The three features that correlate best with the label, on all rows."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        whole = everything(train)
        strength = np.abs(whole.X.T @ (whole.y - whole.y.mean()))
        self.columns_ = np.sort(np.argsort(strength)[-3:])
        self.learn(train.X[:, self.columns_], train.y)
        return self


class EncodedOnAllRows(Honest):
    """The label's mean on all rows where the first feature is in the same tenth."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        whole = everything(train)
        self.edges_ = np.quantile(train.X[:, 0], np.linspace(0.1, 0.9, 9))
        place = np.searchsorted(self.edges_, whole.X[:, 0])
        self.mean_ = np.array([whole.y[place == k].mean() if (place == k).any() else 0.0 for k in range(10)])
        self.weight_ = self.mean_
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        return np.clip(self.mean_[np.searchsorted(self.edges_, samples.X[:, 0])], -1, 1)


class StoppedOnTestRows(Honest):
    """Gradient descent, ended where the loss on the rows after training is least."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        panel = train.panel
        later = np.flatnonzero((panel.time > train.time.max()) & panel.finite & np.isfinite(panel.y))
        other = Samples(panel, later, train.scaler)
        self.columns_ = np.arange(train.X.shape[1])
        weight, best = np.zeros(train.X.shape[1]), np.inf
        for _ in range(200):
            weight = weight - 0.02 * train.X.T @ (train.X @ weight - train.y) / len(train)
            loss = float(np.mean((other.X @ weight - other.y) ** 2))
            if loss < best:
                self.weight_, best = weight, loss
        return self


class TunedOnTestRows(Honest):
    """The penalty that does best on all rows but the training rows."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        whole = everything(train)
        other = whole.select(~np.isin(whole.rows, train.rows))
        self.columns_ = np.arange(train.X.shape[1])
        found = {p: solved(train.X, train.y, p) for p in (0.1, 10.0, 1e3, 1e5)}
        self.weight_ = found[max(found, key=lambda p: float(np.corrcoef(other.X @ found[p], other.y)[0, 1]))]
        return self


class SmoothedBackwards(Honest):
    """Scores averaged with those of the next bars."""

    def predict(self, samples: Samples) -> np.ndarray:
        score = super().predict(samples)
        return np.convolve(score, np.ones(5) / 5)[2 : 2 + len(score)]  # as mode="same" where there are five


class RankedOverTheTest(Honest):
    """A score is its rank among all that are scored at once."""

    def predict(self, samples: Samples) -> np.ndarray:
        score = super().predict(samples)
        return 2.0 * np.argsort(np.argsort(score)) / max(1, len(score) - 1) - 1.0


class ReadsTheLabel(Honest):
    """Scores that know a little of what will be earned."""

    def predict(self, samples: Samples) -> np.ndarray:
        return np.clip(super().predict(samples) + 0.1 * np.nan_to_num(np.sign(samples.ret)), -1, 1)
