"""Splits by dates and by the calendar; they see the unique times, and the core purges and embargoes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from barwise.data.durations import Duration, duration, moment
from barwise.errors import ConfigError

PLACE = "validation.splitter"
MOST = 1000  # folds: each is a model trained


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


def calendar_folds(times: np.ndarray, every: str, first_train: float | str) -> list[np.ndarray]:
    """The test blocks of a walk forward by the calendar; one that is cut short by `first_train` is joined to training.

    ConfigError where there is none, or more than a thousand.
    """
    stretch = duration(f"{PLACE}.every", every)
    begin = first_position(times, first_train)
    blocks = calendar_blocks(times, stretch, begin)
    if len(blocks) > 1 and begin and len(np.unique(stretch.periods(times[begin - 1 : begin + 1]))) == 1:
        blocks = blocks[1:]
    if not blocks or begin < 1:
        span = f"{str(times[0])[:10]} to {str(times[-1])[:10]}" if len(times) else "nothing"
        raise ConfigError(
            f"{PLACE}.first_train={first_train}: leaves no test block of {every} in {span};"
            " use more bars or a smaller first_train"
        )
    if len(blocks) > MOST:
        raise ConfigError(
            f"{PLACE}.every={every}: makes {len(blocks)} folds, each a model trained; at most {MOST} are,"
            " with a longer stretch"
        )
    return blocks


def calendar_blocks(times: np.ndarray, every: Duration, begin: int) -> list[np.ndarray]:
    """Positions of the sorted `times` from `begin` on, by the stretch of the calendar that they lie in."""
    if begin >= len(times):
        return []
    edges = np.flatnonzero(np.diff(every.periods(times[begin:]))) + 1
    return np.split(np.arange(begin, len(times)), edges)


def first_position(times: np.ndarray, first_train: float | str) -> int:
    """The position of the first test time: a share of the times, or a length such as 3Y after the first of them."""
    if not isinstance(first_train, str):
        return round(len(times) * first_train)
    if not len(times):
        return 0
    return int(np.searchsorted(times, duration(f"{PLACE}.first_train", first_train).after(times[0])))


def window_start(times: np.ndarray, block: np.ndarray, window: int | str | None) -> int:
    """The position of the first training time of a test block: `window` bars before it, or a length such as 5Y."""
    if window is None:
        return 0
    if isinstance(window, str):
        return int(np.searchsorted(times, duration(f"{PLACE}.window", window).before(times[block[0]])))
    return max(0, int(block[0]) - window)
