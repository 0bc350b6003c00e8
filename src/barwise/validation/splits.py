"""Splitters over unique times, with scikit-learn's split(X, y, groups); the core purges and embargoes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Annotated, Any

import numpy as np

from barwise.console.settings import Fraction, Is, Whole, check_fields
from barwise.data.durations import duration
from barwise.errors import ConfigError, require
from barwise.validation.by_date import MOST, PLACE, calendar_folds, first_position, window_start

Split = tuple[np.ndarray, np.ndarray]
Length = Annotated[str, Is((str,), "a length such as 5D or 6M")]


@dataclass(frozen=True)
class Holdout:
    """Train on the first stretch of time, test on the last `test_fraction`."""

    test_fraction: Fraction = 0.3

    def __post_init__(self) -> None:
        check_fields(self, PLACE)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        cut = round(len(X) * (1 - self.test_fraction))
        yield np.arange(cut), np.arange(cut, len(X))


@dataclass(frozen=True)
class WalkForward:
    """Train on the past, test on the next block; the test blocks cover the last times once each.

    `n_splits` blocks of as many times, or one for each stretch of the calendar, `every` 1W, 1M, 1Q or 1Y.
    `first_train`: share of the times before the first test block, or a length such as 3Y. `window`: training before
    each block, in bars or as a length such as 5Y; None lets it grow.

    >>> for train, test in WalkForward(n_splits=2).split(np.arange(6)):
    ...     print(*train, "|", *test)
    0 1 | 2 3
    0 1 2 3 | 4 5
    """

    n_splits: Annotated[int, Whole(1, MOST)] = 5
    first_train: Fraction | Length = 0.4
    window: Annotated[int, Whole(1)] | Length | None = None
    every: Length | None = None

    def __post_init__(self) -> None:
        check_fields(self, PLACE)
        for name in ("every", "window", "first_train"):
            if isinstance(getattr(self, name), str):
                duration(f"{PLACE}.{name}", getattr(self, name))
        usual = type(self).n_splits
        require(
            self.every is None or self.n_splits == usual,
            f"{PLACE}.n_splits={self.n_splits}: has no effect with every={self.every}; leave it at {usual}",
        )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """`n_splits`, or as many as the calendar has in the times `X`."""
        return self.n_splits if self.every is None else len(calendar_folds(X, self.every, self.first_train))

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Training and test positions in the sorted times `X`; ConfigError where there is no whole test block."""
        for block in self._blocks(X):
            yield np.arange(window_start(X, block, self.window), block[0]), block

    def _blocks(self, times: np.ndarray) -> list[np.ndarray]:
        if self.every is not None:
            return calendar_folds(times, self.every, self.first_train)
        n, begin = len(times), first_position(times, self.first_train)
        if n - begin < self.n_splits or begin < 1:
            raise ConfigError(f"validation.splitter.n_splits={self.n_splits}: too many for {n} bars; use fewer folds")
        return np.array_split(np.arange(begin, n), self.n_splits)


@dataclass(frozen=True)
class PurgedKFold:
    """`n_splits` blocks of time, each the test block once, trained on all the others; the core purges around it.

    Source: López de Prado (2018), chapter 7.
    """

    n_splits: Annotated[int, Whole(2, MOST)] = 5

    def __post_init__(self) -> None:
        check_fields(self, PLACE)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        everything = np.arange(len(X))
        enough(f"n_splits={self.n_splits}", self.n_splits, len(X))
        for block in np.array_split(everything, self.n_splits):
            yield np.setdiff1d(everything, block), block


@dataclass(frozen=True)
class CombinatorialPurged:
    """Each choice of `n_test_groups` out of `n_groups` blocks of time is the test set once.

    Source: López de Prado (2018), chapter 12; `n_paths` backtest paths cover all times once each.
    """

    n_groups: Annotated[int, Whole(2, MOST)] = 6
    n_test_groups: Annotated[int, Whole(1, MOST)] = 2

    def __post_init__(self) -> None:
        check_fields(self, PLACE)
        require(
            self.n_test_groups < self.n_groups,
            f"validation.splitter.n_test_groups={self.n_test_groups}: must lie between 1 and n_groups - 1"
            f" (n_groups={self.n_groups})",
        )
        splits = comb(self.n_groups, self.n_test_groups)
        require(
            splits <= MOST,
            f"{PLACE}.n_groups={self.n_groups}: {self.n_test_groups} of them make {splits} folds, each a model"
            f" trained; at most {MOST} are",
        )

    @property
    def n_paths(self) -> int:
        return comb(self.n_groups, self.n_test_groups) * self.n_test_groups // self.n_groups

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return comb(self.n_groups, self.n_test_groups)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        enough(f"n_groups={self.n_groups}", self.n_groups, len(X))
        blocks = np.array_split(np.arange(len(X)), self.n_groups)
        for chosen in combinations(range(self.n_groups), self.n_test_groups):
            rest = [b for i, b in enumerate(blocks) if i not in chosen]
            yield np.concatenate(rest), np.concatenate([blocks[i] for i in chosen])


def enough(setting: str, blocks: int, bars: int) -> None:
    """ConfigError unless each block of time has a bar."""
    require(blocks <= bars, f"{PLACE}.{setting}: too many for {bars} bars; use fewer")
