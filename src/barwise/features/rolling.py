"""Rolling windows over one symbol's arrays; row t sees bars up to t, NaN until the window is full.

Sums and moments are merged from blocks of 1, 2, 4, … bars: O(bars · log window), and nothing but the window enters,
so that neither a NaN nor the rounding of large values outlives it, as they do in a running sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import bottleneck as bn
import numpy as np

_Statistics = tuple[np.ndarray, ...]
_Merge = Callable[[_Statistics, int, _Statistics, int], _Statistics]


def change(values: np.ndarray, period: int = 1) -> np.ndarray:
    """values[t] / values[t - period] - 1; NaN where the earlier value is 0 or missing."""
    return quotient(values, period) - 1.0


def move(values: np.ndarray, period: int = 1) -> np.ndarray:
    """`change`, and 0 from 0 to 0: what stands still at 0 has not changed."""
    out = change(values, period)
    out[(values == 0.0) & (before(values, period) == 0.0)] = 0.0
    return out


def quotient(values: np.ndarray, period: int = 1) -> np.ndarray:
    """values[t] / values[t - period]; NaN where the earlier value is 0 or missing."""
    return ratio(values, before(values, period))


def before(values: np.ndarray, period: int = 1) -> np.ndarray:
    """values[t - period]; NaN in the first `period` rows."""
    out = np.full(len(values), np.nan)
    out[period:] = values[:-period] if period < len(values) else 0.0
    return out


def ratio(above: np.ndarray, below: np.ndarray | float) -> np.ndarray:
    """above / below; NaN where below is 0 or the quotient is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        out = np.divide(above, below)
    infinite = np.isinf(out)
    if infinite.any():
        out[infinite] = np.nan
    found: np.ndarray = out
    return found


def share(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where `value` lies between `low` (0) and `high` (1); the middle, 0.5, where the two are one."""
    return np.where(high == low, 0.5, ratio(value - low, high - low))


def mean(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling mean; a NaN makes only the windows that hold it undefined."""
    return means(values, [window])[window]


def means(values: np.ndarray, windows: Sequence[int]) -> dict[int, np.ndarray]:
    """`mean` for several windows in one pass: {window: mean}."""
    return {n: total / n for n, (total,) in _many((values,), _merge_sums, windows)}


def std(values: np.ndarray, window: int, ddof: int = 1) -> np.ndarray:
    """Rolling standard deviation; exactly 0 in a window of one value."""
    return stds(values, [window], ddof)[window]


def stds(values: np.ndarray, windows: Sequence[int], ddof: int = 1) -> dict[int, np.ndarray]:
    """`std` for several windows in one pass: {window: deviation}."""
    found = _many((values, np.zeros_like(values)), _merge_squares, windows)
    return {n: np.sqrt(ratio(squares, float(n - ddof))) for n, (_, squares) in found}


def skew(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling sample skewness, the adjusted Fisher–Pearson one that pandas gives; NaN where nothing varies."""
    zero = np.zeros_like(values)
    _, squares, cubes = _window((values, zero, zero), _merge_cubes, window)
    second, third = squares / window, cubes / window
    found: np.ndarray = np.sqrt(window * (window - 1.0)) / (window - 2.0) * ratio(third, second * np.sqrt(second))
    return found


def correlation(x: np.ndarray, y: np.ndarray, window: int) -> np.ndarray:
    """Rolling Pearson correlation; NaN where either does not vary in the window."""
    zero = np.zeros_like(x)
    _, _, xx, yy, xy = _window((x, y, zero, zero, zero), _merge_products, window)
    found: np.ndarray = np.clip(ratio(xy, np.sqrt(xx) * np.sqrt(yy)), -1.0, 1.0)
    return found


def slope(x: np.ndarray, y: np.ndarray, window: int) -> np.ndarray:
    """Rolling slope of y on x by least squares; NaN where x does not vary in the window."""
    zero = np.zeros_like(x)
    _, _, xx, _, xy = _window((x, y, zero, zero, zero), _merge_products, window)
    return ratio(xy, xx)


def highest(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling maximum."""
    return bn.move_max(values, window) if window <= len(values) else np.full(len(values), np.nan)


def lowest(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling minimum."""
    return bn.move_min(values, window) if window <= len(values) else np.full(len(values), np.nan)


def _many(bars: _Statistics, merge: _Merge, windows: Sequence[int]) -> Iterator[tuple[int, _Statistics]]:
    """_Statistics of each of several windows, from those of single bars: (window, statistics), NaN until it is full.

    `bars` holds every bar alone; blocks of 2, 4, … bars are merged from it once, and a window takes the blocks that
    its binary digits name.
    """
    rows, blocks, size = len(bars[0]), {1: bars}, 1
    if not windows:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        while size * 2 <= min(max(windows), rows):
            part = blocks[size]
            blocks[2 * size] = merge(tuple(x[:-size] for x in part), size, tuple(x[size:] for x in part), size)
            size *= 2
        for window in windows:
            if window > rows:
                yield window, tuple(np.full(rows, np.nan) for _ in bars)
                continue
            total, counted = None, 0
            for size in (s for s in blocks if window & s):
                part = tuple(x[counted : counted + rows - window + 1] for x in blocks[size])
                total = part if total is None else merge(total, counted, part, size)
                counted += size
            yield window, tuple(np.concatenate([np.full(window - 1, np.nan), x]) for x in total or ())


def _window(bars: _Statistics, merge: _Merge, window: int) -> _Statistics:
    """`_many` for one window."""
    ((_, found),) = _many(bars, merge, [window])
    return found


def _merge_sums(a: _Statistics, na: int, b: _Statistics, nb: int) -> _Statistics:
    """Sums."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _merge_squares(a: _Statistics, na: int, b: _Statistics, nb: int) -> _Statistics:
    """Mean and sum of squared deviations (Chan, Golub and LeVeque 1979)."""
    gap, n = b[0] - a[0], na + nb
    return a[0] + gap * (nb / n), a[1] + b[1] + gap * gap * (na * nb / n)


def _merge_cubes(a: _Statistics, na: int, b: _Statistics, nb: int) -> _Statistics:
    """Mean, and sums of squared and cubed deviations (Pébay 2008)."""
    gap, n = b[0] - a[0], na + nb
    mean, squares = _merge_squares(a, na, b, nb)
    cubes = a[2] + b[2] + gap * gap * gap * (na * nb * (na - nb) / n**2) + gap * (na * b[1] - nb * a[1]) * (3.0 / n)
    return mean, squares, cubes


def _merge_products(a: _Statistics, na: int, b: _Statistics, nb: int) -> _Statistics:
    """Both means, both sums of squared deviations, and the sum of their products."""
    gap_x, gap_y, n = b[0] - a[0], b[1] - a[1], na + nb
    weight = na * nb / n
    return (
        a[0] + gap_x * (nb / n),
        a[1] + gap_y * (nb / n),
        a[2] + b[2] + gap_x * gap_x * weight,
        a[3] + b[3] + gap_y * gap_y * weight,
        a[4] + b[4] + gap_x * gap_y * weight,
    )
