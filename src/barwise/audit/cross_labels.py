"""The audit of labels across symbols: known at their end and not before, and worth what a trade can earn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.audit.panels import Other, others, stretch
from barwise.cross_labels import evaluated
from barwise.features.aligned import AlignedBars, align
from barwise.features.matrix import FeatureMatrix
from barwise.samples import Labels

_ROUNDING = 1e-9  # relative: what a price may lose on the way to a return and back
_LONGEST = 300  # own bars that an exit is looked for in


def compared_labels_wait(audit: Audit, matrix: FeatureMatrix, labeler: Any) -> Iterator[Finding | int]:
    """A label is known at its `end` and not before, whatever comes after; markets are cut off and altered as a whole,
    also where symbols miss bars and where they join and leave."""
    random = np.random.default_rng(audit.seed)
    bars = stretch(audit, matrix, random)
    market = align(bars, matrix.universe)
    whole = evaluated(labeler, market)
    known = np.isfinite(whole.ret)
    early = known & ~(whole.end > market.time[:, None])
    if early.any():
        yield _label(market, early, "ends no later than the bar it is made at")
        return
    for other in others(audit, bars, market, matrix, random):
        try:
            found = evaluated(labeler, other.market)
        except Exception as error:  # a labeler of the user's; on bars that differ it may raise what it likes
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            text = f"labels cannot be made on all symbols {other.how} ({reason}): not compared."
            yield Finding("labels", "suspicion", text)
            return
        yield found.ret.size
        bad = _changed(market, whole, other, found)
        if bad is not None:
            yield bad
            return


def _changed(market: AlignedBars, whole: Labels, other: Other, found: Labels) -> Finding | None:
    """What is known of the market up to `other.row` that the whole does not bear out."""
    kept = [market.symbols.index(symbol) for symbol in other.market.symbols]
    rows, now = slice(0, other.row + 1), market.time[other.row]
    ret, y, end = (values[rows][:, kept] for values in (whole.ret, whole.y, whole.end))
    theirs, their_y = found.ret[rows], found.y[rows]
    have, due = np.isfinite(theirs), np.isfinite(ret) & (end <= now)
    differs = ~(_near(theirs, ret) & _near(their_y, y) & (found.end[rows] == end))
    for bad, why in (
        (have & ~due & (other.how == "cut off"), f"is known on bars up to {when(now)}, before its end"),
        (due & ~have, f"is not known on bars up to {when(now)}, after its end"),
        (due & have & differs, f"changes with the bars after {when(now)}, later than its end"),
    ):
        if bad.any():
            return _label(other.market, bad, why)
    return None


def compared_labels_can_be_earned(
    audit: Audit, matrix: FeatureMatrix, labeler: Any, execution: str
) -> Iterator[Finding | int]:
    """`ret` is what a trade at the next execution price earns: its exit lies within one of the bars up to the end."""
    asked = getattr(labeler, "keywords", {}).get("execution", execution)
    if asked != execution:
        text = f"the labels are made for execution={asked}, the backtest trades at {execution}."
        yield Finding("labels", "leak", text)
    market = align(stretch(audit, matrix, np.random.default_rng(audit.seed)), matrix.universe)
    labels = evaluated(labeler, market)
    for i, own in enumerate(market.rows):
        price = (market.open if execution == "next_open" else market.close)[own, i]
        high, low, time = market.high[own, i], market.low[own, i], market.time[own]
        rows = np.flatnonzero(np.isfinite(labels.ret[own, i]))
        rows = rows[rows + 1 < len(own)]
        yield len(rows)
        exit_price = price[rows + 1] * (1 + labels.ret[own[rows], i])
        last = np.searchsorted(time, labels.end[own[rows], i], side="right") - 1
        earned = last - rows > _LONGEST
        for step in range(1, int(min(_LONGEST, (last - rows).max(initial=0))) + 1):
            at = np.minimum(rows + step, len(own) - 1)
            within = (exit_price <= high[at] * (1 + _ROUNDING)) & (exit_price >= low[at] * (1 - _ROUNDING))
            earned |= within & (rows + step <= last)
        if not earned.all():
            bad = np.zeros(market.has.shape, bool)
            bad[own[rows[~earned]], i] = True
            place = execution.replace("_", " ")
            yield _label(market, bad, f"holds a return that no trade at the {place} after it can earn")
            return


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(a - b) <= 1e-9 * np.maximum(1.0, np.abs(b)))


def _label(market: AlignedBars, bad: np.ndarray, why: str) -> Finding:
    row, symbol = divmod(int(bad.argmax()), bad.shape[1])
    return Finding("labels", "leak", f"the label of {market.symbols[symbol]} at {when(market.time[row])} {why}.")
