"""Features and labels of every symbol, joined into one panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from barwise.cross_labels import bound
from barwise.data.bars import Bars, Universe
from barwise.errors import ConfigError
from barwise.features.matrix import FeatureMatrix, finite_rows
from barwise.samples import Labels, Panel

Labeler = Callable[[Bars], Labels]


def build_panel(matrix: FeatureMatrix, labeler: Labeler, universe: Universe | None = None) -> Panel:
    """Label each symbol's bars and lay the arrays beside the feature matrix, which is not copied.

    Rows outside a symbol's stays in the `universe` are not warm; they may still lie in the window of a later row.
    """
    bars, offsets = matrix.bars, matrix.offsets
    y, ret, weight = (np.empty(offsets[-1]) for _ in range(3))
    end = np.empty(offsets[-1], dtype="datetime64[ns]")
    labeler = bound(labeler, bars, universe)
    for b, low, high in zip(bars, offsets[:-1], offsets[1:], strict=True):
        found = _checked(labeler(b), b)
        y[low:high], ret[low:high], end[low:high], weight[low:high] = found.y, found.ret, found.end, found.weight
    lengths = [len(b) for b in bars]
    warm = np.zeros(offsets[-1], bool)
    for low, high, cold in zip(offsets[:-1], offsets[1:], matrix.warmup, strict=True):
        warm[low + cold : high] = True
    finite = warm & (finite_rows(matrix.X) if matrix.finite is None else matrix.finite)
    return Panel(
        X=matrix.X,
        features=matrix.names,
        symbols=tuple(b.symbol for b in bars),
        symbol=np.repeat(np.arange(len(bars), dtype=np.int32), lengths),
        time=np.concatenate([b.time for b in bars]),
        y=y,
        ret=ret,
        end=end,
        weight=weight,
        finite=finite,
        warm=warm & members(bars, universe),
        start=stretch_starts(finite, offsets),
    )


def members(bars: Sequence[Bars], universe: Universe | None) -> np.ndarray:
    """Per row whether its symbol was in the universe; True where there is none."""
    if universe is None:
        return np.ones(sum(map(len, bars)), bool)
    return np.concatenate([universe.inside(b.symbol, b.time) for b in bars])


def stretch_starts(finite: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """For each row the first row of its stretch of finite rows within one symbol; its own index where not finite."""
    index = np.arange(len(finite))
    begins = ~finite
    begins[1:] |= ~finite[:-1]
    begins[offsets[:-1]] = True
    index[~begins] = 0
    return np.maximum.accumulate(index, out=index)


def _checked(labels: Labels, bars: Bars) -> Labels:
    for name in ("y", "ret", "end", "weight"):
        length = len(getattr(labels, name))
        if length != len(bars):
            raise ConfigError(
                f"labels: {name} of {bars.symbol} has {length} values for {len(bars)} bars; a labeler returns one a bar"
            )
    return labels
