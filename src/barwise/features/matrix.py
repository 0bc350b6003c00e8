"""The feature matrix: every set on every symbol, written straight into one float32 array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from barwise.data.bars import Bars
from barwise.errors import ConfigError, DataError

FeatureSet = Callable[[Bars], dict[str, np.ndarray]]


@dataclass(frozen=True)
class FeatureMatrix:
    """`X` (row, feature) float32, symbols one after the other as in `bars`.

    `offsets`: first row of each kept symbol, and the number of rows at the end. `warmup`: rows of each kept symbol
    before all its features have been defined once. `left_out`: (symbol, reason).
    """

    X: np.ndarray
    names: tuple[str, ...]
    bars: tuple[Bars, ...]
    offsets: np.ndarray
    warmup: np.ndarray
    left_out: tuple[tuple[str, str], ...]


def build(bars: Sequence[Bars], sets: Mapping[str, FeatureSet], threads: int = 1) -> FeatureMatrix:
    """Compute `sets` on each symbol; a symbol on which a feature is never defined is left out, with the reason.

    Raises ConfigError for sets that give the same column or no column of the bars' length, DataError if no symbol
    remains.
    """
    names = column_names(bars, sets)
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in bars])])
    X = np.full((offsets[-1], len(names)), np.nan, dtype=np.float32)

    def fill(i: int) -> np.ndarray:
        return _fill(X[offsets[i] : offsets[i + 1]], bars[i], sets, names)

    if threads > 1 and len(bars) > 1:
        with ThreadPoolExecutor(threads) as pool:
            first = list(pool.map(fill, range(len(bars))))
    else:
        first = [fill(i) for i in range(len(bars))]
    return _kept(X, names, tuple(bars), offsets, np.array(first))


def column_names(bars: Sequence[Bars], sets: Mapping[str, FeatureSet]) -> tuple[str, ...]:
    """Columns of all sets, in order, from the symbol whose source has the most columns."""
    if not bars:
        raise DataError("data: there are no bars to compute features on")
    richest = max(bars, key=lambda b: len(b.extra))
    owner: dict[str, str] = {}
    for name, feature_set in sets.items():
        for column in _checked(name, feature_set(richest), len(richest)):
            if column in owner:
                raise ConfigError(f"features: {owner[column]} and {name} both give the column {column}; leave one out")
            owner[column] = name
    return tuple(owner)


def _fill(block: np.ndarray, bars: Bars, sets: Mapping[str, FeatureSet], names: tuple[str, ...]) -> np.ndarray:
    """Write one symbol's rows and return, per column, the first row at which it is defined (its length if never)."""
    place = {name: i for i, name in enumerate(names)}
    first = np.full(len(names), len(bars))
    for name, feature_set in sets.items():
        for column, values in _checked(name, feature_set(bars), len(bars)).items():
            if column not in place:
                raise ConfigError(f"features.{name}: {bars.symbol} has the column {column}, which others lack")
            with np.errstate(over="ignore"):
                narrow = np.asarray(values, dtype=np.float32)
            known = np.isfinite(narrow)
            narrow = np.where(known, narrow, np.float32(np.nan))
            block[:, place[column]] = narrow
            first[place[column]] = int(known.argmax()) if known.any() else len(bars)
    return first


def _checked(name: str, columns: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    if not isinstance(columns, dict) or not columns:
        raise ConfigError(f"features.{name}: gave {type(columns).__name__}; a feature set returns {{column: array}}")
    for column, values in columns.items():
        if np.shape(values) != (length,):
            raise ConfigError(f"features.{name}: {column} has shape {np.shape(values)} for {length} bars")
    return columns


def _kept(
    X: np.ndarray, names: tuple[str, ...], bars: tuple[Bars, ...], offsets: np.ndarray, first: np.ndarray
) -> FeatureMatrix:
    lengths = np.diff(offsets)
    defined = first < lengths[:, None]
    never = ~defined.any(axis=0)
    longest = lengths.max()
    warmup = first.max(axis=1)
    keep = defined.all(axis=1)
    if never.any() and longest > 400:
        raise ConfigError(
            f"features: {names[int(never.argmax())]} is undefined on every bar of every symbol; leave it out or mend it"
        )
    left_out = tuple(
        (b.symbol, f"{len(b)} bars, and {names[int((~d).argmax())]} is defined on none of them")
        for b, d, k in zip(bars, defined, keep, strict=True)
        if not k
    )
    if not keep.any():
        raise DataError(
            f"data: no symbol is longer than the warm-up; the longest has {longest} bars, and"
            f" {names[int((~defined).any(axis=0).argmax())]} needs more; use more bars or shorter windows"
        )
    if not keep.all():
        X = X[np.repeat(keep, lengths)]
    kept = tuple(b for b, k in zip(bars, keep, strict=True) if k)
    ends = np.concatenate([[0], np.cumsum(lengths[keep])])
    return FeatureMatrix(X, names, kept, ends, warmup[keep], left_out)
