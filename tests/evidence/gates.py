"""Markets and strategies whose results the gates of the verdict end: one bar of skill, the market, a lucky seed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from barwise.data import synthetic
from barwise.data.bars import Bars, Market
from barwise.samples import Samples
from barwise.strategies.base import FitContext

BARS = 1_400


def market(drift: float = 0.0) -> Market:
    """Random walks, with a drift a bar, and a column that knows a little of the next bar's return and of no other."""
    random = np.random.default_rng(7)
    bars = []
    for b in synthetic.load(n_symbols=5, n_bars=BARS, seed=3).bars:
        grown = np.exp(drift * np.arange(BARS))
        b = replace(b, **{name: getattr(b, name) * grown for name in ("open", "high", "low", "close")})
        earned = np.append(b.open[2:] / b.open[1:-1] - 1, [0.0, 0.0])
        news = 0.08 * earned / earned.std() + random.normal(size=BARS)
        bars.append(replace(b, extra={"news": news}))
    return Market(tuple(bars))


def news(bars: Bars) -> dict[str, np.ndarray]:
    return {"news": bars.extra["news"]}


class Follows:
    """Follows the news; always long; or, but for the seed 0, whatever the dice say."""

    lookback, scale, takes_nan = 1, False, False

    def __init__(self, what: str = "news") -> None:
        self.what = what

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.seed_ = context.seed
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        if self.what == "market":
            return np.ones(len(samples))
        score = np.tanh(samples.X[:, 0] / 2)
        if self.what == "dice" and self.seed_ >= 1000:  # of each fold, a thousand apart
            digits = (np.abs(samples.X[:, 0]) * 1e4 * (1 + self.seed_ // 1000)).astype(int)
            score = np.where(digits % 2, score, -score)
        return score

    def save(self, folder: Path) -> None:
        (folder / "follows.json").write_text(json.dumps({"what": self.what, "seed": self.seed_}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        kept = json.loads((folder / "follows.json").read_text())
        model = cls(kept["what"])
        model.seed_ = kept["seed"]
        return model
