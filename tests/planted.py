"""Markets whose truth is known, and what a strategy's scores were worth on them, out of sample."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from barwise.console.arguments import compose
from barwise.data import synthetic
from barwise.experiment.parts import Parts
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel


class Worth(NamedTuple):
    """Rank correlation of score and tradable return out of sample, and its p."""

    rank_ic: float
    p: float
    rows: int


@functools.cache
def parts(strategy: str, *overrides: str) -> Parts:
    """A run's parts as train.py composes them: defaults but for one test block, so that a proof takes minutes."""
    words = ["data=synthetic", "validation=holdout", "validation.splitter.test_fraction=0.4", f"strategy={strategy}"]
    return parts_of(compose([*words, *overrides]))


def worth(strategy: str, seed: int, ic: float, pattern: str, size: tuple[int, int] = (10, 2500)) -> Worth:
    """Train on the first part of one market, score the rest."""
    chosen = parts(strategy)
    market = synthetic.load(n_symbols=size[0], n_bars=size[1], seed=seed, ic=ic, pattern=pattern)
    panel = build_panel(build(market.bars, chosen.features, 1), chosen.labels)
    session = FitSession()
    table = walk(panel, chosen.validation.folds(panel), chosen.strategy, chosen.signals, session)
    known = np.isfinite(table.score) & np.isfinite(table.ret)
    found = spearmanr(table.score[known], table.ret[known])
    return Worth(float(found[0]), float(found[1]), int(known.sum()))
