"""Paths of splits that overlap, and none where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.validation.paths import path_of


def counted(symbol: np.ndarray, time: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """By definition: how many earlier folds scored the row's symbol and time."""
    rows = list(zip(symbol.tolist(), time.tolist(), fold.tolist(), strict=True))
    return np.array([sum(r[:2] == row[:2] and r[2] < row[2] for r in rows) for row in rows])


@pytest.mark.parametrize("seed", range(30))
def test_paths_are_those_of_the_definition(seed):
    random = np.random.default_rng(seed)
    parts = []
    for fold in range(4):
        low = int(random.integers(12)) if seed % 2 else 6 * fold
        high = low + int(random.integers(1, 8)) if seed % 2 else low + int(random.integers(1, 7))
        for symbol in random.permutation(3)[: random.integers(1, 4)]:
            times = random.permutation(np.arange(low, high))
            parts.append(np.column_stack([np.full(len(times), symbol), times, np.full(len(times), fold)]))
    table = np.concatenate([parts[i] for i in random.permutation(len(parts))])
    symbol, time, fold = table[:, 0], table[:, 1].astype("datetime64[ns]"), table[:, 2]
    found = path_of(symbol, time, fold)
    np.testing.assert_array_equal(found, counted(symbol, table[:, 1].astype("datetime64[ns]"), fold))
    assert seed % 2 or not found.any()
