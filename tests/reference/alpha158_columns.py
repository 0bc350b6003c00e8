"""Alpha158 by numpy and bottleneck, a column at a time over any windows: an oracle that is quick enough for many bars.

A window ends at the bar itself and is NaN until it is full; sums are merged from blocks, nothing else enters a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import bottleneck as bn
import numpy as np

from barwise.data.bars import Bars
from barwise.features import rolling
from barwise.features.rolling import ratio

_WINDOWS = (5, 10, 20, 30, 60)
_TINY = 1e-12

Columns = dict[str, np.ndarray]


def columns_of(bars: Bars, windows: Sequence[int] = _WINDOWS) -> Columns:
    """All columns over `windows`, in order."""
    sizes = sorted(set(windows))
    out = _candle(bars) | _price(bars)
    for family in (_trend, _range, _order, _correlated, _counted, _volume):
        out |= family(bars, sizes)
    return out


def _candle(b: Bars) -> Columns:
    body, length = b.close - b.open, b.high - b.low
    upper, lower = b.high - np.maximum(b.open, b.close), np.minimum(b.open, b.close) - b.low
    shift, whole = 2 * b.close - b.high - b.low, length + _TINY
    return {
        "KMID": ratio(body, b.open), "KLEN": ratio(length, b.open), "KMID2": body / whole,
        "KUP": ratio(upper, b.open), "KUP2": upper / whole, "KLOW": ratio(lower, b.open), "KLOW2": lower / whole,
        "KSFT": ratio(shift, b.open), "KSFT2": shift / whole,
    }  # fmt: skip


def _price(b: Bars) -> Columns:
    vwap = b.extra["vwap"] if "vwap" in b.extra else (b.high + b.low + b.close) / 3.0
    return {
        f"{name}0": ratio(values, b.close)
        for name, values in (("OPEN", b.open), ("HIGH", b.high), ("LOW", b.low), ("VWAP", vwap))
    }


def _trend(b: Bars, sizes: list[int]) -> Columns:
    """ROC, mean, deviation, and the least-squares line of close on 1 … d: slope, R², last residual; over close."""
    close, out = b.close, {}
    squared = np.zeros_like(close)
    for d, (mean, squares) in rolling._many((close, squared), rolling._merge_squares, sizes):
        centred = np.arange(d) - (d - 1) / 2.0
        spread = float((centred**2).sum())
        slope = _weighted(close, centred) / spread
        out[f"ROC{d}"] = ratio(rolling.before(close, d), close)
        out[f"MA{d}"] = ratio(mean, close)
        out[f"STD{d}"] = ratio(np.sqrt(squares / (d - 1)), close)
        out[f"BETA{d}"] = ratio(slope, close)
        out[f"RSQR{d}"] = np.minimum(ratio(slope * slope * spread, squares), 1.0)
        out[f"RESI{d}"] = ratio(close - mean - slope * centred[-1], close)
    return out


def _range(b: Bars, sizes: list[int]) -> Columns:
    """Highest and lowest, where close lies between them, and their places in the window, 1 the oldest bar."""
    out = {}
    for d in sizes:
        top, bottom = rolling.highest(b.high, d), rolling.lowest(b.low, d)
        first, last = _place(b.high, d, bn.move_argmax), _place(b.low, d, bn.move_argmin)
        out[f"MAX{d}"], out[f"MIN{d}"] = ratio(top, b.close), ratio(bottom, b.close)
        out[f"RSV{d}"] = (b.close - bottom) / (top - bottom + _TINY)
        out[f"IMAX{d}"], out[f"IMIN{d}"], out[f"IMXD{d}"] = first / d, last / d, (first - last) / d
    return out


def _order(b: Bars, sizes: list[int]) -> Columns:
    """Quantiles 0.8 and 0.2 of close over close, and the percentile rank of close, ties by average."""
    out = {}
    for d in sizes:
        high, low = _quantiles(b.close, d, (0.8, 0.2))
        out[f"QTLU{d}"], out[f"QTLD{d}"] = ratio(high, b.close), ratio(low, b.close)
        place = bn.move_rank(b.close, d) if d <= len(b.close) else np.full(len(b.close), np.nan)  # from -1 to 1
        out[f"RANK{d}"] = ((place + 1.0) / 2.0 * (d - 1) + 1.0) / d
    return out


def _correlated(b: Bars, sizes: list[int]) -> Columns:
    """Correlation of close with log volume, and of their changes."""
    out = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = (
            ("CORR", b.close, np.log(b.volume + 1.0)),
            ("CORD", rolling.quotient(b.close), np.log(rolling.quotient(b.volume) + 1.0)),
        )
    for name, x, y in pairs:
        zero = np.zeros_like(x)
        for d, (_, _, xx, yy, xy) in rolling._many((x, y, zero, zero, zero), rolling._merge_products, sizes):
            out[f"{name}{d}"] = np.clip(ratio(xy, np.sqrt(xx) * np.sqrt(yy)), -1.0, 1.0)
    return out


def _counted(b: Bars, sizes: list[int]) -> Columns:
    """Shares of bars that rose and fell, and of the whole movement that was up and down; of close and of volume."""
    change, flow = b.close - rolling.before(b.close), b.volume - rolling.before(b.volume)
    known = np.isfinite(change)
    rose, fell = (np.where(known, side, np.nan) for side in (change > 0, change < 0))
    out: Columns = {}
    parts = (rose, fell, np.maximum(change, 0), np.maximum(-change, 0), np.maximum(flow, 0), np.maximum(-flow, 0))
    for d, (up, down, gain, loss, more, less) in rolling._many(parts, rolling._merge_sums, sizes):
        out[f"CNTP{d}"], out[f"CNTN{d}"], out[f"CNTD{d}"] = up / d, down / d, (up - down) / d
        for name, plus, minus in (("SUM", gain, loss), ("VSUM", more, less)):
            whole = plus + minus + _TINY
            out[f"{name}P{d}"], out[f"{name}N{d}"] = plus / whole, minus / whole
            out[f"{name}D{d}"] = (plus - minus) / whole
    return out


def _volume(b: Bars, sizes: list[int]) -> Columns:
    """Mean and deviation of volume over volume, and the relative deviation of volume times absolute return."""
    out: Columns = {}
    zero, below = np.zeros_like(b.volume), b.volume + _TINY
    moved = np.abs(rolling.change(b.close)) * b.volume
    for d, (mean, squares) in rolling._many((b.volume, zero), rolling._merge_squares, sizes):
        out[f"VMA{d}"], out[f"VSTD{d}"] = mean / below, np.sqrt(squares / (d - 1)) / below
    for d, (mean, squares) in rolling._many((moved, zero), rolling._merge_squares, sizes):
        out[f"WVMA{d}"] = np.sqrt(squares / (d - 1)) / (mean + _TINY)
    return out


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ weight · value over the window that ends at each row, the oldest bar first; NaN before it is full."""
    out = np.full(len(values), np.nan)
    if len(weights) <= len(values):
        out[len(weights) - 1 :] = np.correlate(values, weights, mode="valid")
    return out


def _place(values: np.ndarray, window: int, search: object) -> np.ndarray:
    """1-based place of the first extreme in each window, the oldest bar is 1.

    Bottleneck counts from the newest bar and takes the newest of equals: asked of the array turned round, that is the
    oldest, counted from the oldest.
    """
    out = np.full(len(values), np.nan)
    if window <= len(values):
        turned = search(np.ascontiguousarray(values[::-1]), window)  # type: ignore[operator]
        out[window - 1 :] = turned[window - 1 :][::-1] + 1.0
    return out


def _quantiles(values: np.ndarray, window: int, levels: Sequence[float]) -> Iterator[np.ndarray]:
    """Quantiles of each window by linear interpolation; NaN where it is not full or holds a NaN."""
    out = np.full((len(levels), len(values)), np.nan)
    if window <= len(values):
        ordered = np.sort(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
        gaps = np.isnan(ordered[:, -1])  # NaN sorts last
        for i, level in enumerate(levels):
            low, part = divmod(level * (window - 1), 1.0)
            left, right = ordered[:, int(low)], ordered[:, min(int(low) + 1, window - 1)]
            out[i, window - 1 :] = np.where(gaps, np.nan, left + (right - left) * part)
    yield from out
