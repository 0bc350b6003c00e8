"""What is said where the history is too short for its features: how much is warm-up, and which sets have less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from barwise.data.bars import Bars
from barwise.data.times import distinct
from barwise.errors import BarwiseError, DataError
from barwise.features import FeatureSet
from barwise.features.drift import start_up
from barwise.features.matrix import compute
from barwise.samples import Panel
from barwise.validation.folds import Fold, Validation

Sets = Mapping[str, FeatureSet]
_FEW = 500  # bars; below it the first fold keeps fewer rows than validation.min_train asks for
_MOST = 0.5  # share of the bars that warm-up may take before it is what is wrong


def folds_of(
    validation: Validation, panel: Panel, bars: Sequence[Bars], shipped: Callable[[], Sets] | None
) -> list[Fold]:
    """The folds of the panel; where there are none because most bars are warm-up, DataError says so.

    `shipped`: other feature sets by name, of which the message names those with a shorter warm-up.
    """
    try:
        return validation.folds(panel)
    except BarwiseError as error:
        times, warm = len(distinct(panel.time)), len(distinct(panel.time, panel.warm))
        if warm >= (1 - _MOST) * times:
            raise
        shorter = _shorter(max(bars, key=len), times - warm, shipped() if shipped else {})
        raise DataError(
            f"data: {times - warm} of {times} bars are warm-up of the features, and {warm} are left to train and test"
            f" on ({str(error).split(';')[0]}); use more bars{shorter}"
        ) from error


def _shorter(bars: Bars, taken: int, shipped: Sets) -> str:
    """Names of the sets that have less than half as much warm-up, the shortest first."""
    found = []
    for name, each in shipped.items():
        try:
            columns = compute(bars, {name: each})
        except Exception:  # a set that wants other columns, or other symbols, is no advice
            continue
        known = [np.flatnonzero(np.isfinite(values)) for values in columns.values()]
        if known and all(len(rows) for rows in known):
            first = max(*(int(rows[0]) for rows in known), start_up([bars], {name: each}).bars)
            if 2 * first < taken:
                found.append((first, name))
    told = ", ".join(f"features={name} ({first})" for first, name in sorted(found))
    few = "; with so few bars validation.min_train=20 too" if len(bars) < _FEW else ""
    return f", or features with a shorter warm-up: {told}{few}" if told else ""
