"""Folds: a splitter's times turned into rows, with purge, embargo and a validation stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from barwise.console.settings import Fraction, Whole, check_fields
from barwise.errors import ConfigError, require
from barwise.samples import Panel


@dataclass(frozen=True)
class Fold:
    """Sorted row indices of one panel; `train` and `valid` are labelled, purged and embargoed."""

    number: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Validation:
    """How rows are split: `splitter` sees unique times; `embargo` bars are dropped after each test block.

    `valid_fraction` of the training times, the last of them, choose when to stop and where thresholds lie.
    """

    splitter: Any
    embargo: Annotated[int, Whole(0, 10**6)] = 0
    valid_fraction: Fraction = 0.2
    min_train: Annotated[int, Whole(1)] = 100

    def __post_init__(self) -> None:
        check_fields(self, "validation")
        given = type(self.splitter).__name__
        require(hasattr(self.splitter, "split"), f"validation.splitter={given}: has no method split(X)")

    def folds(self, panel: Panel) -> list[Fold]:
        """All folds over the unique times of the panel's warm rows."""
        times = np.unique(panel.time[panel.warm])
        place = np.searchsorted(times, panel.time)  # of each row among the times; meaningless where not warm
        return [
            self._fold(number, panel, times, place, train, test)
            for number, (train, test) in enumerate(splits(self.splitter, times))
        ]

    def _fold(
        self, number: int, panel: Panel, times: np.ndarray, place: np.ndarray, train: np.ndarray, test: np.ndarray
    ) -> Fold:
        train = train[~self._embargoed(train, test, len(times))]
        cut = max(1, round(len(train) * (1 - self.valid_fraction)))
        rows = [_rows(panel, place, chosen, len(times)) for chosen in (train[:cut], train[cut:], test)]
        learn, valid, tested = rows
        labelled = np.isfinite(panel.ret)
        valid = valid[labelled[valid]]
        valid = valid[~touches(panel, valid, tested)]
        learn = learn[labelled[learn]]
        learn = learn[~touches(panel, learn, tested)]
        learn = learn[~touches(panel, learn, valid)]
        if len(learn) < self.min_train:
            raise ConfigError(
                f"validation: fold {number} keeps {len(learn)} training rows after purge and embargo, fewer than"
                f" min_train={self.min_train}; use more bars, fewer folds or a shorter horizon, or"
                f" validation.min_train={max(1, len(learn))}"
            )
        return Fold(number, learn, valid, tested)

    def _embargoed(self, train: np.ndarray, test: np.ndarray, n: int) -> np.ndarray:
        """Which training times lie within `embargo` bars after a test block."""
        ends = test[np.append(np.diff(test) > 1, True)] if len(test) else test
        banned = np.zeros(n + self.embargo + 1, bool)
        for end in ends:
            banned[end + 1 : end + 1 + self.embargo] = True
        found: np.ndarray = banned[train]
        return found


def splits(splitter: Any, times: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The sorted training and test places of each split; ConfigError where the splitter cannot split times alone."""
    try:
        found = list(splitter.split(times))
    except ConfigError:
        raise
    except Exception as error:  # scikit-learn's own or the user's
        name = type(splitter).__name__
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"validation.splitter={name}: cannot split {len(times):,} times ({reason}); it is given times alone,"
            " without labels or groups: use walk_forward, purged_kfold or scikit-learn's KFold, ShuffleSplit,"
            " TimeSeriesSplit"
        ) from error
    return [(np.sort(np.asarray(train)), np.sort(np.asarray(test))) for train, test in found]


def touches(panel: Panel, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which `rows` have a label stretch [t, end] that meets the stretch of any of `others`, ends included."""
    if not len(rows) or not len(others):
        return np.zeros(len(rows), bool)
    start, stop = _stretches(panel, others)
    order = np.argsort(start, kind="stable")
    start, stop = start[order], np.maximum.accumulate(stop[order])
    begin, end = _stretches(panel, rows)
    before = np.searchsorted(start, end, side="right")  # others that begin no later than the row ends
    return (before > 0) & (stop[np.maximum(before - 1, 0)] >= begin)


def _stretches(panel: Panel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    time, end = panel.time[rows], panel.end[rows]
    return time, np.where(np.isnat(end), time, end)


def _rows(panel: Panel, place: np.ndarray, chosen: np.ndarray, n: int) -> np.ndarray:
    mask = np.zeros(n + 1, bool)
    mask[chosen] = True
    return np.flatnonzero(mask[place] & panel.warm)
