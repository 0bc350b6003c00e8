"""Inner folds: the training rows of one fold split again by time and label end, for whatever tunes inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barwise.errors import ConfigError
from barwise.validation.folds import embargoed, overlaps, splits
from barwise.validation.splits import PurgedKFold

FOLDS = 5  # scikit-learn's own number
EMBARGO = 10  # bars, as in conf/validation/purged_kfold.yaml: training follows test blocks here too


def inner(
    time: np.ndarray, end: np.ndarray, folds: Any = FOLDS, embargo: int | str = EMBARGO, setting: str = "folds"
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test positions among rows with labels over [time, end], in any order; NaT ends with its bar.

    `folds`: how many blocks of time, each tested once by what the others teach, or a splitter of unique times such as
    `WalkForward` or scikit-learn's. `embargo`: bars, or a length such as 5D, dropped after each test block. No training
    label meets a test label. ConfigError, in the words of `setting`, where a fold keeps no row.
    """
    times, place = np.unique(time, return_inverse=True)
    end = np.where(np.isnat(end), time, end)
    splitter = PurgedKFold(folds) if isinstance(folds, int) else folds
    if isinstance(folds, int) and folds > len(times):
        raise ConfigError(f"{setting}={folds}: too many for {len(times)} times; use fewer")
    found = []
    for number, (learned, *_, tested) in enumerate(splits(splitter, times, setting)):
        learned = learned[~embargoed(times, learned, tested, embargo)]
        train, test = (np.flatnonzero(np.isin(place, places)) for places in (learned, tested))
        train = train[~overlaps(time[train], end[train], time[test], end[test])]
        if not len(train) or not len(test):
            raise ConfigError(
                f"{setting}: inner fold {number} keeps {len(train)} training and {len(test)} test rows after purge and"
                " embargo; use more bars, fewer inner folds or a shorter horizon"
            )
        found.append((train, test))
    return found


@dataclass(frozen=True)
class InnerFolds:
    """`inner` as what scikit-learn takes for `cv`; it splits these rows, all of them, and no others."""

    pairs: list[tuple[np.ndarray, np.ndarray]]
    rows: int
    shuffle: bool = field(default=False, init=False)  # what halving searches ask for

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return len(self.pairs)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """The pairs; ConfigError for other rows than they were made for."""
        given = X.shape[0] if hasattr(X, "shape") else len(X)
        if given != self.rows:
            raise ConfigError(f"inner folds of {self.rows} rows are asked to split {given}: nest no search in another")
        return self.pairs
