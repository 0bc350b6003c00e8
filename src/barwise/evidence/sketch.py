"""What a trial earned over time, small enough for one line of the ledger of trials, so that trials can be compared."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_MOST = 512  # stretches of time a sketch has at most: 1 kB, and correlations to about 0.05
_LEAST = 10  # stretches two sketches must share for a correlation
_MOST_TRIALS = 500  # of more, so many evenly chosen ones tell the average correlation well enough
_FAR = 2**38  # minutes from 1970: half a million years
_MINUTE = np.timedelta64(1, "m")


def sketch(time: np.ndarray, net: np.ndarray) -> dict[str, Any]:
    """Net returns summed over stretches of 2^k minutes since 1970, so that sketches of like k align: {minutes, first,
    sums}; `sums` are float16 shares of their own deviation, base64."""
    minute = (time.astype("datetime64[m]") - np.datetime64(0, "m")) // _MINUTE
    width = 1
    while (int(minute[-1]) // width - int(minute[0]) // width) >= _MOST:
        width *= 2
    place = minute // width
    sums = np.bincount((place - place[0]).astype(np.int64), weights=net)
    scale = float(sums.std()) or 1.0
    text = base64.b64encode((sums / scale).astype("<f2").tobytes()).decode("ascii")
    return {"minutes": width, "first": int(place[0]), "sums": text}


def valid(kept: Any) -> bool:
    """Whether `kept` is a sketch: widths are powers of two, times those of a calendar, and the sums finite."""
    if not isinstance(kept, Mapping):
        return False
    width, first, text = kept.get("minutes"), kept.get("first"), kept.get("sums")
    if type(width) is not int or type(first) is not int or not isinstance(text, str) or len(text) > 4 * _MOST:
        return False
    if not 1 <= width <= _FAR or width & (width - 1) or abs(first * width) > _FAR:
        return False
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(raw) > 0 and len(raw) % 2 == 0 and bool(np.isfinite(np.frombuffer(raw, dtype="<f2")).all())


def mean_correlation(sketches: Sequence[Mapping[str, Any]]) -> float | None:
    """Average correlation over all pairs of trials, on the stretches that a pair shares; None for fewer than two.

    A pair that shares too little, or of which one never moved, counts as uncorrelated.
    """
    if len(sketches) < 2:
        return None
    x, known = _aligned(sketches[:: -(-len(sketches) // _MOST_TRIALS)])
    n = known @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (x @ known.T) / n  # of the row's trial, over what it shares with the column's
        spread = np.sqrt(np.maximum((x**2 @ known.T) / n - mean**2, 0.0))
        rho = ((x @ x.T) / n - mean * mean.T) / (spread * spread.T)
    rho = np.where((n >= _LEAST) & np.isfinite(rho), np.clip(rho, -1.0, 1.0), 0.0)
    pairs = ~np.eye(len(x), dtype=bool)
    return float(rho[pairs].mean())


def _aligned(sketches: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Sums (trial, stretch) on one grid of time, zero where a trial was not there, and where it was (1 or 0)."""
    width = max(int(s["minutes"]) for s in sketches)
    found = [_widened(s, width) for s in sketches]
    while _span(found) > 4 * _MOST:  # short trials far apart: coarser, or most of the table is empty
        width *= 2
        found = [_widened(s, width) for s in sketches]
    first = min(begin for begin, _ in found)
    x, known = np.zeros((2, len(found), _span(found)))
    for row, (begin, sums) in enumerate(found):
        x[row, begin - first : begin - first + len(sums)] = sums
        known[row, begin - first : begin - first + len(sums)] = 1.0
    return x, known


def unit_vectors(sketches: Sequence[Mapping[str, Any]], market: Mapping[str, Any] | None = None) -> np.ndarray:
    """(trial, stretch): vectors of length one whose products are the correlations of the trials' z; none for a trial
    that never moved or has too few stretches. With a `market`: of what a regression on it leaves, as those of the t of
    alpha."""
    if not sketches:
        return np.zeros((0, 0))
    x, known = _aligned(sketches if market is None else [*sketches, market])
    if market is not None:
        x, known = _unexplained(x[:-1], known[:-1], x[-1], known[-1]), known[:-1]
    n = known.sum(axis=1, keepdims=True)
    centred = (x - x.sum(axis=1, keepdims=True) / np.maximum(n, 1.0)) * known
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    kept = ((n >= _LEAST) & (length > 1e-6))[:, 0]
    return np.asarray(centred[kept] / length[kept])


def _unexplained(x: np.ndarray, known: np.ndarray, market: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Sums (trial, stretch) less their slope times the market's, over the stretches that both have."""
    shared = known * there
    n = np.maximum(shared.sum(axis=1, keepdims=True), 1.0)
    moved = (market - (shared @ market)[:, None] / n) * shared
    size = (moved**2).sum(axis=1, keepdims=True)
    slope = (x * moved).sum(axis=1, keepdims=True) / np.where(size > 0, size, 1.0)
    return np.asarray(x - slope * moved)


def _span(found: Sequence[tuple[int, np.ndarray]]) -> int:
    """Stretches from the first of any to the last of any."""
    return max(begin + len(sums) for begin, sums in found) - min(begin for begin, _ in found)


def _widened(kept: Mapping[str, Any], width: int) -> tuple[int, np.ndarray]:
    """First stretch and sums of a sketch, added up to stretches of `width` minutes."""
    sums = np.frombuffer(base64.b64decode(kept["sums"]), dtype="<f2").astype(np.float64)
    place = (int(kept["first"]) + np.arange(len(sums))) // (width // int(kept["minutes"]))
    return int(place[0]), np.bincount(place - place[0], weights=sums)
