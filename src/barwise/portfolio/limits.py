"""Limits on weights, each of which only ever makes a position smaller, so that all of them hold at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limits:
    """What the weights of one bar must keep to; None is no limit.

    `long_only`: no weight below 0. `gross`: Σ|weight| at most. `net`: |Σ weight| at most; 0 is neutral. `max_weight`:
    |weight| at most. `max_group`: Σ|weight| within a group at most. `max_positions`: symbols held at most.
    """

    long_only: bool = False
    gross: float | None = None
    net: float | None = None
    max_weight: float | None = None
    max_group: float | None = None
    max_positions: int | None = None

    def __call__(self, weights: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """`weights` (bar, symbol) within the limits; `groups` (bar, symbol) codes, -1 for none.

        The smallest positions go first; what is too large is cut, groups and the whole are scaled, and the larger side
        is scaled down to what `net` leaves.
        """
        w = np.maximum(weights, 0.0) if self.long_only else weights.copy()
        if self.max_positions is not None:
            w = _largest(w, self.max_positions)
        if self.max_weight is not None:
            w = np.clip(w, -self.max_weight, self.max_weight)
        if self.max_group is not None and groups is not None:
            w = _within_groups(w, groups, self.max_group)
        if self.gross is not None:
            w = w * _shrink(np.abs(w).sum(axis=1, keepdims=True), self.gross)
        return w if self.net is None else _net(w, self.net)


def _shrink(size: np.ndarray, most: float) -> np.ndarray:
    """Factors of 1 or less that bring `size` down to `most`."""
    return np.where(size > most, most / np.maximum(size, 1e-300), 1.0)


def _largest(w: np.ndarray, count: int) -> np.ndarray:
    if w.shape[1] <= count:
        return w
    order = np.argsort(-np.abs(w), axis=1, kind="stable")[:, :count]
    kept = np.zeros(w.shape)
    np.put_along_axis(kept, order, np.take_along_axis(w, order, axis=1), axis=1)
    return kept


def _within_groups(w: np.ndarray, groups: np.ndarray, most: float) -> np.ndarray:
    out = w.copy()
    for code in np.unique(groups[groups >= 0]):
        inside = groups == code
        size = np.where(inside, np.abs(w), 0.0).sum(axis=1, keepdims=True)
        out = np.where(inside, out * _shrink(size, most), out)
    return out


def _net(w: np.ndarray, most: float) -> np.ndarray:
    long, short = (np.maximum(side, 0.0).sum(axis=1, keepdims=True) for side in (w, -w))
    longs = np.where(long > short + most, (short + most) / np.maximum(long, 1e-300), 1.0)
    shorts = np.where(short > long + most, (long + most) / np.maximum(short, 1e-300), 1.0)
    return np.where(w > 0, w * longs, w * shorts)


def approach(
    held: np.ndarray, wanted: np.ndarray, limits: Limits, most: float, groups: np.ndarray | None = None
) -> np.ndarray:
    """One bar's weights: from `held` (symbol,) towards `wanted`, with Σ|change| of at most `most`.

    The limits come first: what is held beyond them is sold even where that alone is more than `most`. Symbols enter
    only into places that are free before anything is sold.
    """
    row = None if groups is None else groups[None]
    start = limits(held[None], row)[0]
    spent = float(np.abs(start - held).sum())
    if spent >= most:
        found: np.ndarray = start
        return found
    goal = wanted.copy()
    if limits.max_positions is not None:
        entering = np.flatnonzero((goal != 0) & (start == 0))
        free = max(0, limits.max_positions - int(np.count_nonzero(start)))
        late = entering[np.argsort(-np.abs(goal[entering]), kind="stable")[free:]]
        goal[late] = 0.0
    return _furthest(held, start, goal, most)


def _furthest(held: np.ndarray, start: np.ndarray, goal: np.ndarray, most: float) -> np.ndarray:
    """The last point on the line from `start` to `goal` whose Σ|change| from `held` is at most `most`."""
    if np.abs(goal - held).sum() <= most:
        return goal
    low, high = 0.0, 1.0
    for _ in range(60):  # Σ|·| is convex along the line and within `most` at its start
        middle = 0.5 * (low + high)
        inside = np.abs(start + middle * (goal - start) - held).sum() <= most
        low, high = (middle, high) if inside else (low, middle)
    found: np.ndarray = start + low * (goal - start)
    return found
