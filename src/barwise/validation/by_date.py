"""Splitters by dates and by the calendar; they see the unique times, and the core purges and embargoes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from barwise.errors import ConfigError
from barwise.validation.durations import Duration, duration, moment

PLACE = "validation.splitter"


@dataclass(frozen=True)
class Dates:
    """One fold by fixed dates: train until, validate until, test until; each date is included.

    `train_from` and `test_until` may be null: from the first bar, to the last. A month or a year means all of it.
    """

    train_until: str
    valid_until: str
    test_until: str | None = None
    train_from: str | None = None

    def __post_init__(self) -> None:
        edges = self._edges()
        for (before, first), (after, second) in pairwise(edges):
            if first >= second:
                given = f"{PLACE}.{before}={getattr(self, before)} {PLACE}.{after}={getattr(self, after)}"
                raise ConfigError(f"{given}: {before} must come before {after}")

    def _edges(self) -> list[tuple[str, np.datetime64]]:
        names = ("train_from", "train_until", "valid_until", "test_until")
        given = [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        return [(name, moment(f"{PLACE}.{name}", value, name != "train_from")) for name, value in given]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """One."""
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Training, validation and test positions in the sorted times `X`; ConfigError where one of them is empty."""
        edge = dict(self._edges())
        place = {
            name: int(np.searchsorted(X, at, "left" if name == "train_from" else "right")) for name, at in edge.items()
        }
        first, train, valid = place.get("train_from", 0), place["train_until"], place["valid_until"]
        cuts = {
            "training": (first, train),
            "validation": (train, valid),
            "test": (valid, place.get("test_until", len(X))),
        }
        for name, (low, high) in cuts.items():
            if low >= high:
                span = f"the warm bars run from {str(X[0])[:10]} to {str(X[-1])[:10]}" if len(X) else "there are none"
                raise ConfigError(f"{PLACE}: there are no {name} bars between its dates; {span}")
        yield tuple(np.arange(low, high) for low, high in cuts.values())  # type: ignore[misc]


def calendar_blocks(times: np.ndarray, every: Duration, begin: int) -> list[np.ndarray]:
    """Positions of the sorted `times` from `begin` on, by the stretch of the calendar they lie in.

    The first block may begin within its stretch, and the last end within it.
    """
    period = every.periods(times[begin:])
    edges = np.flatnonzero(np.diff(period)) + 1
    return np.split(np.arange(begin, len(times)), edges)


def first_position(times: np.ndarray, first_train: float | str, name: str) -> int:
    """The position of the first test time: a share of the times, or a length such as 3Y after the first of them."""
    if isinstance(first_train, str):
        return int(np.searchsorted(times, duration(name, first_train).after(times[0]))) if len(times) else 0
    return round(len(times) * first_train)


def window_start(times: np.ndarray, block: np.ndarray, window: int | str | None, name: str) -> int:
    """The position of the first training time of a test block: `window` bars before it, or a length such as 5Y."""
    if window is None:
        return 0
    if isinstance(window, str):
        return int(np.searchsorted(times, duration(name, window).before(times[block[0]])))
    return max(0, int(block[0]) - window)
