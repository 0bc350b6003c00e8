"""The audit of folds: no training label's stretch meets test rows, and the splitter keeps the two apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.audit.own import is_users
from barwise.data.durations import duration
from barwise.data.times import distinct
from barwise.samples import Panel
from barwise.validation.folds import Fold, splits
from barwise.validation.hooks import splitter_of


def splitter_divides(panel: Panel, validation: Any) -> Iterator[Finding | int]:
    """The splitter puts no time in training and in test at once; the purge would hide it."""
    splitter = splitter_of(validation)
    if splitter is None:
        return
    times = distinct(panel.time, panel.warm)
    for number, (*learned, test) in enumerate(splits(splitter, times)):
        train = np.concatenate(learned)
        yield len(test)
        both = np.intersect1d(train, test)
        if len(both):
            text = (
                f"{type(splitter).__name__}: fold {number} puts {when(times[both[0]])} in training and in test,"
                f" and {len(both) - 1:,} more times."
            )
            yield Finding("folds", "leak", text)
            return


def nothing_is_left_out(panel: Panel, validation: Any) -> Iterator[Finding | int]:
    """A splitter of the user's own tests every bar from its first to its last: it picks none."""
    splitter = splitter_of(validation)
    if splitter is None or not is_users(splitter):
        return
    times = distinct(panel.time, panel.warm)
    tested = np.unique(np.concatenate([test for *_, test in splits(splitter, times)]))
    between = int(tested[-1] - tested[0]) + 1
    yield between
    if between > len(tested):
        text = (
            f"{type(splitter).__name__} tests {len(tested):,} of the {between:,} bars from its first to its"
            " last, which may be picked"
        )
        yield Finding("folds", "not_audited", text)


def folds_are_purged(panel: Panel, folds: list[Fold], embargo: int | str) -> Iterator[Finding | int]:
    """No training or validation label's stretch meets a test row's, and none lies in the embargo after a test block."""
    times = distinct(panel.time, panel.warm)
    for fold in folds:
        yield len(fold.train) + len(fold.valid)
        place = np.searchsorted(times, distinct(panel.time[fold.test]))
        for block in np.split(place, np.flatnonzero(np.diff(place) > 1) + 1):
            inside = (panel.time[fold.test] >= times[block[0]]) & (panel.time[fold.test] <= times[block[-1]])
            begin, end = times[block[0]], _ends(panel, fold.test[inside]).max()
            banned = _embargoed_until(times, int(block[-1]), embargo)
            for name, rows in (("training", fold.train), ("validation", fold.valid)):
                meets = (_ends(panel, rows) >= begin) & (panel.time[rows] <= max(end, banned))
                if meets.any():
                    yield _fold(panel, fold, int(rows[meets.argmax()]), f"{name} row", "a test block or its embargo")
        if len(fold.valid):
            low, high = panel.time[fold.valid].min(), _ends(panel, fold.valid).max()
            within = (panel.time[fold.train] >= low) & (panel.time[fold.train] <= high)
            reaches = (panel.time[fold.train] < low) & (_ends(panel, fold.train) >= low)
            if (within | reaches).any():
                row = int(fold.train[(within | reaches).argmax()])
                yield _fold(panel, fold, row, "training row", "the validation rows")


def _embargoed_until(times: np.ndarray, last: int, embargo: int | str) -> np.datetime64:
    if isinstance(embargo, str):
        return duration("validation.embargo", embargo).after(times[last])
    return np.datetime64(times[min(last + embargo, len(times) - 1)])


def _ends(panel: Panel, rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.where(np.isnat(panel.end[rows]), panel.time[rows], panel.end[rows])
    return found


def _fold(panel: Panel, fold: Fold, row: int, kind: str, what: str) -> Finding:
    where = f"{panel.symbols[panel.symbol[row]]} at {when(panel.time[row])}"
    return Finding("folds", "leak", f"fold {fold.number}: the label of the {kind} {where} reaches into {what}.")
