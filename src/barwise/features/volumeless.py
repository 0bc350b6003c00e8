"""Features of bars without volume: the columns that need it are left out, found by giving them two volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from barwise.data.bars import Bars

_LOOKED = 600  # bars on which a column shows whether it needs volume: more than any window that ships
_PLACEHOLDER = 1e6


def without_volume(bars: Bars) -> bool:
    """Whether the source has no volume: NaN throughout."""
    return len(bars) > 0 and bool(np.isnan(bars.volume[0])) and bool(np.isnan(bars.volume).all())


def placeheld(bars: Bars) -> Bars:
    """The bars with a volume that says nothing, for sets that stumble over none."""
    return replace(bars, volume=np.full(len(bars), _PLACEHOLDER))


def needing(bars: Bars, compute: Callable[[Bars], Mapping[str, np.ndarray]]) -> set[str]:
    """The columns of `compute` that differ between two volumes, on a stretch of the bars."""
    rows = np.resize(np.arange(max(0, len(bars) - _LOOKED), len(bars)), _LOOKED)
    time = bars.time[0] + np.arange(_LOOKED) * np.timedelta64(1, "D")
    stretch = replace(bars.take(rows), time=time)
    random = np.random.default_rng(0)
    one, other = (compute(replace(stretch, volume=_PLACEHOLDER * random.uniform(0.5, 2, _LOOKED))) for _ in range(2))
    return {name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)}
