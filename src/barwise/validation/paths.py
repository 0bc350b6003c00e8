"""Paths: where splits test a time more than once, the full out-of-sample histories that they make up."""

from __future__ import annotations

import numpy as np


def path_of(symbol: np.ndarray, time: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The path of each scored row: how many earlier folds scored its symbol and time; 0 throughout without overlap.

    For combinatorial splits path j takes, for each block of time, the j-th of the splits that test it: each path covers
    all times once. Source: López de Prado (2018), chapter 12.
    """
    order = np.lexsort((fold, time, symbol))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(symbol[order]) != 0) | (time[order][1:] != time[order][:-1])
    index = np.arange(len(order))
    out = np.empty(len(order), dtype=np.int32)
    out[order] = index - np.maximum.accumulate(np.where(new, index, 0))
    return out


def full_paths(path: np.ndarray) -> np.ndarray:
    """The paths that cover as many rows as the first; a path with gaps is no history."""
    numbers, rows = np.unique(path, return_counts=True)
    found: np.ndarray = numbers[rows == rows[0]]
    return found
