"""Paths: where splits test a time more than once, the full out-of-sample histories that they make up."""

from __future__ import annotations

import numpy as np


def path_of(symbol: np.ndarray, time: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The path of each scored row: how many earlier folds scored its symbol and time; 0 throughout without overlap.

    For combinatorial splits path j takes, for each block of time, the j-th of the splits that test it: each path covers
    all times once. Source: López de Prado (2018), chapter 12.
    """
    if _apart(time, fold):
        return np.zeros(len(fold), dtype=np.int32)
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


def _apart(time: np.ndarray, fold: np.ndarray) -> bool:
    """Whether no stretch of one fold's rows reaches, by its times, into a stretch of another fold's."""
    if not len(fold):
        return False
    begin = np.flatnonzero(np.append(True, fold[1:] != fold[:-1]))
    ticks = time.view(np.int64)
    first, last = np.minimum.reduceat(ticks, begin), np.maximum.reduceat(ticks, begin)
    order = np.argsort(first, kind="stable")
    of, first, reach = fold[begin][order], first[order], np.maximum.accumulate(last[order])
    return bool((reach[:-1] < first[1:])[of[1:] != of[:-1]].all())
