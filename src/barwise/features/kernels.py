"""Alpha158's windows in one pass over a symbol's bars, compiled by numba as this module is imported, or opened as kept.

A window of d bars that ends at t is the end of one block of d bars and the beginning of the next: sums over both parts
are kept, each of them begun anew with every block, so that nothing is ever subtracted and neither a NaN nor the
rounding of other bars outlives its window (van Herk 1992; Gil and Werman 1993). Values are counted from that of the
block's first bar, which lies in every window that the block ends: a window without variance sums exact zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, TypeVar, cast

import numba
import numpy as np

from barwise.features.compiled import ready

_SUMS, _LANE = 25, 8  # kept of a part of a window; values of a sorted window that are handled at once
_TINY = 1e-12
_MOST = float(np.finfo(np.float64).max)
_F = TypeVar("_F", bound=Callable[..., Any])
_compiled = cast("Callable[[_F], _F]", numba.njit(nogil=True, error_model="numpy"))


@_compiled
def _ends(x: np.ndarray, t: int, d: int, first: int, shift: np.ndarray, w: int, ends: np.ndarray) -> None:
    """What the bars from each to t - 1 sum to, for a block of d bars before t, counted from the values at t."""
    x0, x1, x2, x3, x4, x5 = shift[w, 0], shift[w, 1], shift[w, 2], shift[w, 3], shift[w, 4], shift[w, 5]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = s10 = s11 = s12 = s13 = s14 = 0.0
    s15 = s16 = s17 = s18 = s19 = s20 = 0.0
    high, low, top, bottom = -np.inf, np.inf, 0.0, 0.0
    for back in range(1, d):
        i = t - back
        a, b, c, e, f, g = x[i, 0] - x0, x[i, 1] - x1, x[i, 2] - x2, x[i, 3] - x3, x[i, 4] - x4, x[i, 5] - x5
        s0, s1, s2 = s0 + a, s1 + a * a, s2 - back * a
        s3, s4, s5 = s3 + b, s4 + b * b, s5 + a * b
        s6, s7, s8, s9, s10 = s6 + c, s7 + c * c, s8 + e, s9 + e * e, s10 + c * e
        s11, s12, s13, s14 = s11 + f, s12 + f * f, s13 + g, s14 + g * g
        s15, s16, s17 = s15 + x[i, 6], s16 + x[i, 7], s17 + x[i, 8]
        s18, s19, s20 = s18 + x[i, 9], s19 + x[i, 10], s20 + x[i, 11]
        h, l = x[i, 12], x[i, 13]
        if h >= high or h != h:
            high, top = h, float(i)
        if l <= low or l != l:
            low, bottom = l, float(i)
        k = first + d - back
        ends[k, 0], ends[k, 1], ends[k, 2], ends[k, 3], ends[k, 4], ends[k, 5] = s0, s1, s2, s3, s4, s5
        ends[k, 6], ends[k, 7], ends[k, 8], ends[k, 9], ends[k, 10] = s6, s7, s8, s9, s10
        ends[k, 11], ends[k, 12], ends[k, 13], ends[k, 14] = s11, s12, s13, s14
        ends[k, 15], ends[k, 16], ends[k, 17], ends[k, 18], ends[k, 19], ends[k, 20] = s15, s16, s17, s18, s19, s20
        ends[k, 21], ends[k, 22], ends[k, 23], ends[k, 24] = high, low, top, bottom


@_compiled
def _sorted(order: np.ndarray, now: int, w: int, size: int, gone: float, come: float) -> tuple[int, int]:
    """Take `gone` out of a sorted window and put `come` into it; how many are less than it, and at most it."""
    less, most, new = 0, 0, 1 - now
    for i in range(size):
        before, here, after = order[now, w, i], order[now, w, i + 1], order[now, w, i + 2]
        left = before if before < gone else here
        right = here if here < gone else after
        value = right if right < come else come
        value = left if left > value else value
        order[new, w, i + 1] = value
        less += value < come
        most += value <= come
    return less, most


@_compiled
def _candle(x: np.ndarray, t: int, out: np.ndarray) -> None:
    """The candle and price families."""
    c, h, l, o = x[t, 0], x[t, 12], x[t, 13], x[t, 14]
    whole, each, per = 1.0 / (h - l + _TINY), 1.0 / o, 1.0 / c
    top, bottom = (o, c) if o > c else (c, o)
    if o != o:
        top = bottom = o
    out[t, 0], out[t, 1], out[t, 2] = (c - o) * each, (h - l) * each, (c - o) * whole
    out[t, 3], out[t, 4] = (h - top) * each, (h - top) * whole
    out[t, 5], out[t, 6] = (bottom - l) * each, (bottom - l) * whole
    out[t, 7], out[t, 8] = (2.0 * c - h - l) * each, (2.0 * c - h - l) * whole
    out[t, 9], out[t, 10], out[t, 11], out[t, 12] = o * per, h * per, l * per, x[t, 15] * per


@_compiled
def factors(x: np.ndarray, sizes: np.ndarray, out: np.ndarray) -> None:
    """Write (bar, 13 + 29 windows) factors of (bar, 16) inputs; NaN where a window is not full or holds a NaN.

    Inputs: close, log volume, quotient of closes, log quotient of volumes, volume, volume times absolute return, 1
    where close rose, where it fell, its gain, its loss, those of volume, high, low, open, vwap.
    """
    n, many = len(x), len(sizes)
    first, span, place = np.zeros(many, np.int64), np.zeros(many, np.int64), np.zeros(many, np.int64)
    total = 0
    for w in range(many):
        first[w] = total
        total += sizes[w] + 1
        span[w] = -(-sizes[w] // _LANE) * _LANE
    ends = np.full((total, _SUMS), np.nan)
    for w in range(many):
        ends[first[w] + sizes[w], :21] = 0.0
        ends[first[w] + sizes[w], 21], ends[first[w] + sizes[w], 22] = -np.inf, np.inf
    begun, shift = np.zeros((many, _SUMS)), np.zeros((many, 6))
    order = np.full((2, many, span.max() + 2), np.inf)
    order[:, :, 0] = -np.inf
    high_at, low_at = np.zeros((many, 2), np.int64), np.zeros((many, 2))
    fixed = np.zeros((many, 3))  # a division takes as long as ten products
    for w in range(many):
        for k, level in enumerate((0.8, 0.2)):
            at = level * (sizes[w] - 1)
            high_at[w, k], low_at[w, k] = int(at), at - int(at)
        d = sizes[w]
        fixed[w, 0], fixed[w, 1], fixed[w, 2] = 1.0 / d, 1.0 / (d - 1), 12.0 / (d * (d * d - 1.0))
    for t in range(n):
        _candle(x, t, out)
        c, h, l, v = x[t, 0], x[t, 12], x[t, 13], x[t, 4]
        per, flow = 1.0 / c, 1.0 / (v + _TINY)
        come = c if abs(c) <= _MOST else np.inf
        for w in range(many):
            d, j = sizes[w], place[w]
            if j == 0:
                for k in range(6):
                    shift[w, k] = x[t, k]
                for k in range(21):
                    begun[w, k] = 0.0
                begun[w, 21], begun[w, 22] = -np.inf, np.inf
                if t > 0:
                    _ends(x, t, d, first[w], shift, w, ends)
            place[w] = j + 1 if j + 1 < d else 0
            r = first[w] + j + 1
            over, free, half = fixed[w, 0], fixed[w, 1], 0.5 * (d - 1)
            # sums: those of this block so far, and with them those of the end of the one before
            a, b, g, q = c - shift[w, 0], x[t, 1] - shift[w, 1], x[t, 2] - shift[w, 2], x[t, 3] - shift[w, 3]
            e, f = v - shift[w, 4], x[t, 5] - shift[w, 5]
            p0, p1, p2 = begun[w, 0] + a, begun[w, 1] + a * a, begun[w, 2] + j * a
            p3, p4, p5 = begun[w, 3] + b, begun[w, 4] + b * b, begun[w, 5] + a * b
            p6, p7, p8 = begun[w, 6] + g, begun[w, 7] + g * g, begun[w, 8] + q
            p9, p10 = begun[w, 9] + q * q, begun[w, 10] + g * q
            p11, p12, p13, p14 = begun[w, 11] + e, begun[w, 12] + e * e, begun[w, 13] + f, begun[w, 14] + f * f
            p15, p16, p17 = begun[w, 15] + x[t, 6], begun[w, 16] + x[t, 7], begun[w, 17] + x[t, 8]
            p18, p19, p20 = begun[w, 18] + x[t, 9], begun[w, 19] + x[t, 10], begun[w, 20] + x[t, 11]
            s0, s1, s2, s3, s4 = p0 + ends[r, 0], p1 + ends[r, 1], p2 + ends[r, 2], p3 + ends[r, 3], p4 + ends[r, 4]
            s5, s6, s7, s8, s9 = p5 + ends[r, 5], p6 + ends[r, 6], p7 + ends[r, 7], p8 + ends[r, 8], p9 + ends[r, 9]
            s10, s11, s12 = p10 + ends[r, 10], p11 + ends[r, 11], p12 + ends[r, 12]
            s13, s14 = p13 + ends[r, 13], p14 + ends[r, 14]
            up, down, gain = p15 + ends[r, 15], p16 + ends[r, 16], p17 + ends[r, 17]
            loss, more, fewer = p18 + ends[r, 18], p19 + ends[r, 19], p20 + ends[r, 20]
            begun[w, 0], begun[w, 1], begun[w, 2], begun[w, 3], begun[w, 4] = p0, p1, p2, p3, p4
            begun[w, 5], begun[w, 6], begun[w, 7], begun[w, 8], begun[w, 9] = p5, p6, p7, p8, p9
            begun[w, 10], begun[w, 11], begun[w, 12], begun[w, 13], begun[w, 14] = p10, p11, p12, p13, p14
            begun[w, 15], begun[w, 16], begun[w, 17], begun[w, 18], begun[w, 19] = p15, p16, p17, p18, p19
            begun[w, 20] = p20
            # trend
            k = 13 + 6 * w
            squares = s1 - s0 * s0 * over
            along = s2 - (j - half) * s0
            slope = along * fixed[w, 2]
            wide = sqrt(squares)
            fit = slope * along / squares
            out[t, k] = x[t - d, 0] * per if t >= d else np.nan
            out[t, k + 1] = (shift[w, 0] + s0 * over) * per
            out[t, k + 2] = sqrt(squares * free) * per
            out[t, k + 3] = slope * per
            out[t, k + 4] = 1.0 if fit > 1.0 else fit
            out[t, k + 5] = (a - s0 * over - slope * half) * per
            # range: the first of equals counts
            top, high, bottom, low = begun[w, 23], begun[w, 21], begun[w, 24], begun[w, 22]
            if h > high or h != h:
                high, top = h, float(t)
                begun[w, 21], begun[w, 23] = high, top
            if l < low or l != l:
                low, bottom = l, float(t)
                begun[w, 22], begun[w, 24] = low, bottom
            if not (high > ends[r, 21] or high != high):
                high, top = ends[r, 21], ends[r, 23]
            if not (low < ends[r, 22] or low != low):
                low, bottom = ends[r, 22], ends[r, 24]
            top = (top - (t - d)) if high == high else np.nan
            bottom = (bottom - (t - d)) if low == low else np.nan
            k = 13 + 6 * (many + w)
            out[t, k], out[t, k + 1] = high * per, low * per
            out[t, k + 2] = (c - low) / (high - low + _TINY)
            out[t, k + 3], out[t, k + 4], out[t, k + 5] = top * over, bottom * over, (top - bottom) * over
            # order
            gone = x[t - d, 0] if t >= d else np.inf
            gone = gone if abs(gone) <= _MOST else np.inf
            now = t & 1
            less, most = _sorted(order, now, w, span[w], gone, come)
            k = 13 + 12 * many + 3 * w
            if s0 == s0:
                i, m = high_at[w, 0] + 1, high_at[w, 1] + 1
                u, z = order[1 - now, w, i], order[1 - now, w, m]
                out[t, k] = (u + (order[1 - now, w, i + 1] - u) * low_at[w, 0] if low_at[w, 0] > 0.0 else u) * per
                out[t, k + 1] = (z + (order[1 - now, w, m + 1] - z) * low_at[w, 1] if low_at[w, 1] > 0.0 else z) * per
                out[t, k + 2] = (less + most + 1) * (0.5 * over)
            else:
                out[t, k] = out[t, k + 1] = out[t, k + 2] = np.nan
            # with volume
            k = 13 + 15 * many + w
            fit = (s5 - s0 * s3 * over) / (wide * sqrt(s4 - s3 * s3 * over))
            out[t, k] = 1.0 if fit > 1.0 else -1.0 if fit < -1.0 else fit
            fit = (s10 - s6 * s8 * over) / (sqrt(s7 - s6 * s6 * over) * sqrt(s9 - s8 * s8 * over))
            out[t, k + many] = 1.0 if fit > 1.0 else -1.0 if fit < -1.0 else fit
            # counts and sums
            k = 13 + 17 * many + 9 * w
            out[t, k], out[t, k + 1], out[t, k + 2] = up * over, down * over, (up - down) * over
            whole = 1.0 / (gain + loss + _TINY)
            out[t, k + 3], out[t, k + 4], out[t, k + 5] = gain * whole, loss * whole, (gain - loss) * whole
            whole = 1.0 / (more + fewer + _TINY)
            out[t, k + 6], out[t, k + 7], out[t, k + 8] = more * whole, fewer * whole, (more - fewer) * whole
            # volume
            k = 13 + 26 * many + 2 * w
            out[t, k] = (shift[w, 4] + s11 * over) * flow
            out[t, k + 1] = sqrt((s12 - s11 * s11 * over) * free) * flow
            wide = sqrt((s14 - s13 * s13 * over) * free)
            out[t, 13 + 28 * many + w] = wide / (shift[w, 5] + s13 * over + _TINY)
        for k in range(out.shape[1]):
            out[t, k] = out[t, k] if abs(out[t, k]) <= _MOST else np.nan


ready(factors, "void(float64[:, ::1], int64[::1], float64[:, ::1])", __file__, "alpha158")
