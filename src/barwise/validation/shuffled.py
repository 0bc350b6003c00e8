"""A placebo: train on labels in random order, trade the real test rows. What it earns is luck, or a leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barwise.samples import Panel
from barwise.validation.folds import Fold


def shuffled(panel: Panel, fold: Fold, seed: int) -> Panel:
    """`panel` with y, ret and weight of the fold's rows permuted, together, within each symbol's training rows and
    within its validation rows; no other row is touched."""
    random = np.random.default_rng([seed, fold.number])
    source = np.arange(len(panel))
    for rows in (fold.train, fold.valid):
        for symbol in np.unique(panel.symbol[rows]):
            own = rows[panel.symbol[rows] == symbol]
            source[own] = random.permutation(own)
    return replace(panel, y=panel.y[source], ret=panel.ret[source], weight=panel.weight[source])
