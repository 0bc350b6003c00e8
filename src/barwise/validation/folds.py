"""Folds: a splitter's times turned into rows, with purge, embargo and a validation stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Annotated, Any

import numpy as np

from barwise.console.settings import Fraction, Whole, check_fields
from barwise.data.durations import duration
from barwise.data.times import distinct
from barwise.errors import ConfigError, require
from barwise.samples import Panel
from barwise.validation.splits import Length


@dataclass(frozen=True)
class Fold:
    """Sorted row indices of one panel; `train` and `valid` are labelled, purged and embargoed."""

    number: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


VALID_FRACTION = 0.2


@dataclass(frozen=True)
class Validation:
    """How rows are split: `splitter` sees unique times; `embargo` bars are dropped after each test block.

    `valid_fraction` of the training times, the last of them, choose when to stop and where thresholds lie; or
    `valid_length` of them, in bars or as a length such as 6M. A splitter that yields training, validation and test says
    itself which those are. `embargo` may be a length too, such as 5D. `every` and `window` are the splitter's, for one
    that has them: a fold for each stretch of the calendar, trained on a window before it.
    """

    splitter: Any
    embargo: Annotated[int, Whole(0, 10**6)] | Length = 0
    valid_fraction: Fraction | None = 0.2
    min_train: Annotated[int, Whole(1)] = 100
    valid_length: Annotated[int, Whole(1, 10**6)] | Length | None = None
    every: Length | None = None
    window: Annotated[int, Whole(1)] | Length | None = None

    def __post_init__(self) -> None:
        check_fields(self, "validation")
        given = type(self.splitter).__name__
        require(hasattr(self.splitter, "split"), f"validation.splitter={given}: has no method split(X)")
        for name in ("embargo", "valid_length", "every", "window"):
            if isinstance(getattr(self, name), str):
                duration(f"validation.{name}", getattr(self, name))
        for name in ("every", "window"):
            value = getattr(self, name)
            fits = is_dataclass(self.splitter) and hasattr(self.splitter, name)
            require(value is None or fits, f"validation.{name}={value}: {given} has none; use validation=walk_forward")
            if value is not None:
                object.__setattr__(self, "splitter", replace(self.splitter, **{name: value}))
        require(
            self.valid_fraction is None or self.valid_length is None,
            f"validation.valid_length={self.valid_length}: validation.valid_fraction={self.valid_fraction} says it too;"
            " set validation.valid_fraction=null",
        )

    def folds(self, panel: Panel) -> list[Fold]:
        """All folds over the unique times of the panel's warm rows."""
        times = distinct(panel.time, panel.warm)
        place = np.searchsorted(times, panel.time)  # of each row among the times; meaningless where not warm
        return [
            self._fold(number, panel, times, place, self._stretches(times, split))
            for number, split in enumerate(splits(self.splitter, times))
        ]

    def _stretches(self, times: np.ndarray, split: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Training, validation and test times of one split, as positions, after the embargo."""
        train, test = split[0], split[-1]
        train = train[~embargoed(times, train, test, self.embargo)]
        if len(split) == 3:
            given = [name for name in ("valid_fraction", "valid_length") if getattr(self, name) is not None]
            require(not given, f"validation.{''.join(given[:1])}: the splitter says what validates; set it to null")
            return train, split[1][~embargoed(times, split[1], test, self.embargo)], test
        cut = self.valid_begins(times[train])
        return train[:cut], train[cut:], test

    def valid_begins(self, times: np.ndarray) -> int:
        """How many of the training `times` come before the validation stretch, 1 at least; a fifth of them validates
        where only dates say what does."""
        if self.valid_length is None:
            share = VALID_FRACTION if self.valid_fraction is None else self.valid_fraction
            return max(1, round(len(times) * (1 - share)))
        if isinstance(self.valid_length, int):
            return max(1, len(times) - self.valid_length)
        if not len(times):
            return 1
        begin = duration("validation.valid_length", self.valid_length).before(times[-1])
        return max(1, int(np.searchsorted(times, begin, side="right")))

    def _fold(
        self, number: int, panel: Panel, times: np.ndarray, place: np.ndarray,
        stretches: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> Fold:  # fmt: skip
        rows = [_rows(panel, place, chosen, len(times)) for chosen in stretches]
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


def embargoed(times: np.ndarray, train: np.ndarray, test: np.ndarray, embargo: int | str) -> np.ndarray:
    """Which of the positions `train` in the sorted `times` lie within the embargo after a block of `test`."""
    ends = test[np.append(np.diff(test) > 1, True)] if len(test) else test
    banned = np.zeros(len(times) + 1, bool)
    for end in ends:
        if isinstance(embargo, str):
            last = duration("validation.embargo", embargo).after(times[end])
            banned[end + 1 : np.searchsorted(times, last, side="right")] = True
        else:
            banned[end + 1 : end + 1 + embargo] = True
    found: np.ndarray = banned[train]
    return found


def splits(splitter: Any, times: np.ndarray, setting: str = "validation.splitter") -> list[tuple[np.ndarray, ...]]:
    """The sorted training, perhaps validation, and test places of each split; ConfigError where the splitter cannot
    split times alone."""
    try:
        found = list(splitter.split(times))
    except ConfigError:
        raise
    except Exception as error:  # scikit-learn's own or the user's
        name = type(splitter).__name__
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"{setting}={name}: cannot split {len(times):,} times ({reason}); it is given times alone,"
            " without labels or groups: use walk_forward, purged_kfold or scikit-learn's KFold, ShuffleSplit,"
            " TimeSeriesSplit"
        ) from error
    return [tuple(np.sort(np.asarray(places)) for places in split) for split in found]


def touches(panel: Panel, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which `rows` have a label stretch [t, end] that meets the stretch of any of `others`, ends included."""
    return overlaps(*_stretches(panel, rows), *_stretches(panel, others))


def overlaps(begin: np.ndarray, end: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Which stretches [begin, end] meet any of the stretches [start, stop], ends included."""
    if not len(begin) or not len(start):
        return np.zeros(len(begin), bool)
    starts = distinct(start)  # many rows, few times
    last = np.full(len(starts), stop.min())
    np.maximum.at(last, np.searchsorted(starts, start), stop)
    start, stop = starts, np.maximum.accumulate(last)
    before = np.searchsorted(start, end, side="right")  # others that begin no later than the row ends
    return np.asarray((before > 0) & (stop[np.maximum(before - 1, 0)] >= begin))


def _stretches(panel: Panel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    time, end = panel.time[rows], panel.end[rows]
    return time, np.where(np.isnat(end), time, end)


def _rows(panel: Panel, place: np.ndarray, chosen: np.ndarray, n: int) -> np.ndarray:
    mask = np.zeros(n + 1, bool)
    mask[chosen] = True
    return np.flatnonzero(mask[place] & panel.warm)
