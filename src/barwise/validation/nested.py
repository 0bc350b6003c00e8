"""Purged folds inside the training rows of a fold: what is chosen there has seen neither validation nor test rows."""

from __future__ import annotations

import numpy as np

from barwise.errors import ConfigError
from barwise.samples import Panel
from barwise.validation.folds import VALID_FRACTION, Fold, touches

_FIRST = 0.4  # of the times, before the first block that is scored
_FEWEST = 20  # rows that an inner fold learns from


def inner_folds(panel: Panel, rows: np.ndarray, n: int, valid_fraction: float = VALID_FRACTION) -> list[Fold]:
    """`n` walk-forward folds of `rows`, labelled training rows of one fold: each block of time is scored by what came
    before it, of which the last `valid_fraction` of the times tells when to stop.

    Purged as outer folds are. ConfigError where a fold would keep fewer than 20 rows to learn from.
    """
    times = np.unique(panel.time[rows])
    place = np.searchsorted(times, panel.time[rows])
    begin = max(1, round(len(times) * _FIRST))
    found = []
    for number, block in enumerate(np.array_split(np.arange(begin, len(times)), n)):
        first = block[0] if len(block) else len(times)
        cut = max(1, round(first * (1 - valid_fraction)))
        test = rows[(place >= first) & (place <= (block[-1] if len(block) else -1))]
        valid = rows[(place >= cut) & (place < first)]
        train = rows[place < cut]
        valid = valid[~touches(panel, valid, test)]
        train = train[~touches(panel, train, test)]
        train = train[~touches(panel, train, valid)]
        if len(train) < _FEWEST or not len(test):
            raise ConfigError(
                f"validation: {len(times)} training bars are too few for {n} inner folds, inner fold {number} keeps"
                f" {len(train)} rows to learn from; use more bars or fewer inner folds"
            )
        found.append(Fold(number, train, valid, test))
    return found
