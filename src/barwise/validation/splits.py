"""Splitters over unique times, with scikit-learn's split(X, y, groups); the core purges and embargoes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from barwise.errors import ConfigError, require

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Holdout:
    """Train on the first stretch of time, test on the last `test_fraction`."""

    test_fraction: float = 0.3

    def __post_init__(self) -> None:
        require(
            0 < self.test_fraction < 1,
            f"validation.splitter.test_fraction={self.test_fraction}: must lie between 0 and 1; 0.3 is the default",
        )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        cut = round(len(X) * (1 - self.test_fraction))
        yield np.arange(cut), np.arange(cut, len(X))


@dataclass(frozen=True)
class WalkForward:
    """Train on the past, test on the next block, `n_splits` times; the test blocks cover the last times once each.

    `first_train`: share of the times before the first test block. `window`: bars of training before each block;
    None lets the training stretch grow.
    """

    n_splits: int = 5
    first_train: float = 0.4
    window: int | None = None

    def __post_init__(self) -> None:
        require(
            self.n_splits >= 1, f"validation.splitter.n_splits={self.n_splits}: must be 1 or more; 5 is the default"
        )
        require(
            0 < self.first_train < 1,
            f"validation.splitter.first_train={self.first_train}: must lie between 0 and 1; 0.4 is the default",
        )
        require(
            self.window is None or self.window >= 1,
            f"validation.splitter.window={self.window}: must be null (expanding) or 1 or more bars",
        )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        n, begin = len(X), round(len(X) * self.first_train)
        if n - begin < self.n_splits or begin < 1:
            raise ConfigError(f"validation.splitter.n_splits={self.n_splits}: too many for {n} bars; use fewer folds")
        for block in np.array_split(np.arange(begin, n), self.n_splits):
            start = 0 if self.window is None else max(0, block[0] - self.window)
            yield np.arange(start, block[0]), block


@dataclass(frozen=True)
class PurgedKFold:
    """`n_splits` blocks of time, each the test block once, trained on all the others; the core purges around it.

    Source: López de Prado (2018), chapter 7.
    """

    n_splits: int = 5

    def __post_init__(self) -> None:
        require(
            self.n_splits >= 2, f"validation.splitter.n_splits={self.n_splits}: must be 2 or more; 5 is the default"
        )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        everything = np.arange(len(X))
        for block in np.array_split(everything, self.n_splits):
            yield np.setdiff1d(everything, block), block


@dataclass(frozen=True)
class CombinatorialPurged:
    """Each choice of `n_test_groups` out of `n_groups` blocks of time is the test set once.

    Source: López de Prado (2018), chapter 12; `n_paths` backtest paths cover all times once each.
    """

    n_groups: int = 6
    n_test_groups: int = 2

    def __post_init__(self) -> None:
        require(
            1 <= self.n_test_groups < self.n_groups,
            f"validation.splitter.n_test_groups={self.n_test_groups}: must lie between 1 and n_groups - 1"
            f" (n_groups={self.n_groups})",
        )

    @property
    def n_paths(self) -> int:
        return comb(self.n_groups, self.n_test_groups) * self.n_test_groups // self.n_groups

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return comb(self.n_groups, self.n_test_groups)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        blocks = np.array_split(np.arange(len(X)), self.n_groups)
        for chosen in combinations(range(self.n_groups), self.n_test_groups):
            rest = [b for i, b in enumerate(blocks) if i not in chosen]
            yield np.concatenate(rest), np.concatenate([blocks[i] for i in chosen])
