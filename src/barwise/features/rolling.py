"""Rolling windows over one symbol's arrays; row t sees bars up to t, NaN until the window is full."""

from __future__ import annotations

import bottleneck as bn
import numpy as np


def change(values: np.ndarray, period: int = 1) -> np.ndarray:
    """values[t] / values[t - period] - 1; NaN where the earlier value is 0 or missing."""
    out = np.full(len(values), np.nan)
    if period < len(values):
        out[period:] = ratio(values[period:], values[:-period]) - 1.0
    return out


def ratio(above: np.ndarray, below: np.ndarray | float) -> np.ndarray:
    """above / below; NaN where below is 0 or the quotient is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        out = np.divide(above, below)
    return np.where(np.isfinite(out), out, np.nan)


def share(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where `value` lies between `low` (0) and `high` (1); the middle, 0.5, where the two are one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = (value - low) / (high - low)
    return np.where(high == low, 0.5, out)


def mean(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling mean; a NaN makes only the windows that hold it undefined."""
    return _full(bn.move_mean, values, window)


def std(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling standard deviation, ddof 1."""
    return _full(bn.move_std, values, window, ddof=1)


def highest(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling maximum."""
    return _full(bn.move_max, values, window)


def lowest(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling minimum."""
    return _full(bn.move_min, values, window)


def windows(values: np.ndarray, window: int) -> np.ndarray:
    """All full windows as a view, (bar - window + 1, window)."""
    return np.lib.stride_tricks.sliding_window_view(values, window)


def skew(values: np.ndarray, window: int) -> np.ndarray:
    """Rolling sample skewness, the adjusted Fisher–Pearson one that pandas gives; NaN where nothing varies."""
    out = np.full(len(values), np.nan)
    if window < 3 or len(values) < window:
        return out
    seen = windows(values, window)
    centred = seen - seen.mean(axis=1, keepdims=True)
    second, third = (centred**2).mean(axis=1), (centred**3).mean(axis=1)
    adjust = np.sqrt(window * (window - 1.0)) / (window - 2.0)
    flat = second <= 1e-28 * np.maximum((seen**2).mean(axis=1), 1e-300)
    out[window - 1 :] = np.where(flat, np.nan, adjust * ratio(third, second**1.5))
    return out


def correlation(a: np.ndarray, b: np.ndarray, window: int) -> np.ndarray:
    """Rolling Pearson correlation; NaN where either does not vary in the window."""
    out = np.full(len(a), np.nan)
    if len(a) < window:
        return out
    x, y = windows(a, window), windows(b, window)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    power = np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y)
    out[window - 1 :] = ratio(np.einsum("ij,ij->i", x, y), np.sqrt(power))
    return np.clip(out, -1.0, 1.0)


def _full(move, values: np.ndarray, window: int, **more: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    if len(values) < window:
        return np.full(len(values), np.nan)
    return move(values, window, **more)
