"""The audit of labels: known at their end and not before, and worth what a trade can earn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from barwise.audit.bars import probes
from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.data.bars import Bars
from barwise.features.matrix import FeatureMatrix
from barwise.samples import Labels

_ROUNDING = 1e-9  # relative: what a price may lose on the way to a return and back


def labels_wait(audit: Audit, matrix: FeatureMatrix, labeler: Callable[[Bars], Labels]) -> Iterator[Finding | int]:
    """A label is known at its `end` and not before, and is the same whatever comes after."""
    for b, again in probes(audit.look, matrix.bars, int(matrix.warmup.max()), audit.seed):
        whole = labeler(b)
        known = np.isfinite(whole.ret)
        early = known & (whole.end <= b.time)
        if early.any():
            yield _label(b, early, "ends no later than the bar it is made at")
            return
        for other in again:
            part, now = slice(0, other.row + 1), b.time[other.row]
            try:
                found = labeler(other.bars)
            except Exception as error:  # a labeler of the user's; on bars that differ it may raise what it likes
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
                text = f"labels cannot be made on bars of {b.symbol} {other.how} after {when(now)} ({reason})"
                yield Finding("labels", "not_audited", text)
                return
            yield other.row + 1
            have, due = np.isfinite(found.ret[part]), known[part] & (whole.end[part] <= now)
            cut = len(other.bars) == other.row + 1
            names = ("ret", "y", "weight")
            differs = ~np.all([_near(getattr(found, n)[part], getattr(whole, n)[part]) for n in names], axis=0)
            for bad, why in (
                (have & ~due & cut, f"is known on bars up to {when(now)}, before its end"),
                (due & ~have, f"is not known on bars up to {when(now)}, after its end"),
                (due & have & differs, f"changes with the bars after {when(now)}, later than its end"),
            ):
                if bad.any():
                    yield _label(b, bad, why)
                    return


def labels_can_be_earned(audit: Audit, matrix: FeatureMatrix, labeler: Any, execution: str) -> Iterator[Finding | int]:
    """`ret` is what a trade at the next execution price earns: its exit price lies within the bar it ends at."""
    asked = getattr(labeler, "keywords", {}).get("execution", execution)
    if asked != execution:
        text = f"the labels are made for execution={asked}, the backtest trades at {execution}."
        yield Finding("labels", "leak", text)
    for b, _ in probes(audit.look, matrix.bars, int(matrix.warmup.max()), audit.seed):
        labels = labeler(b)
        rows = np.flatnonzero(np.isfinite(labels.ret))
        rows = rows[rows + 1 < len(b)]
        yield len(rows)
        price = b.open if execution == "next_open" else b.close
        exit_price = price[rows + 1] * (1 + labels.ret[rows])
        end = np.minimum(np.searchsorted(b.time, labels.end[rows]), len(b) - 1)
        outside = np.zeros(len(b), bool)
        outside[rows] = (exit_price > b.high[end] * (1 + _ROUNDING)) | (exit_price < b.low[end] * (1 - _ROUNDING))
        if outside.any():
            place = execution.replace("_", " ")
            yield _label(b, outside, f"holds a return that no trade at the {place} after it can earn")
            return


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        same: np.ndarray = np.abs(a - b) <= 1e-12 * np.maximum(1.0, np.abs(b))
        same |= np.isnan(a) & np.isnan(b)
    return same


def _label(bars: Bars, bad: np.ndarray, why: str) -> Finding:
    return Finding("labels", "leak", f"the label of {bars.symbol} at {when(bars.time[int(bad.argmax())])} {why}.")
