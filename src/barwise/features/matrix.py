"""The feature matrix: every set on every symbol, written straight into one float32 array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from barwise.data.bars import Bars
from barwise.data.memmap import blocks, release
from barwise.errors import ConfigError, DataError
from barwise.features import Block, FeatureSet
from barwise.features.aligned import Bound, bound, sees_all
from barwise.features.every import Every, at_own_size
from barwise.features.parallel import MUCH, each, is_shared, shared
from barwise.features.volumeless import needing, placeheld, without_volume

if TYPE_CHECKING:
    from barwise.data.bars import Universe

__all__ = ["FeatureMatrix", "FeatureSet", "build"]

AMPLE = 4_096  # bars on which any sensible feature is defined; tells a broken one from one that needs more bars

_AT_ONCE = 128  # rows

Room = Callable[..., np.ndarray]  # float32 of that shape, in memory or mapped from a file; `forks` as for `in_memory`


def in_memory(shape: tuple[int, int], forks: bool = True) -> np.ndarray:
    """Room for a matrix in memory; for a large one in memory that forked processes share, where they write it."""
    return shared(shape) if forks and prod(shape) >= MUCH else np.empty(shape, dtype=np.float32)


@dataclass(frozen=True)
class FeatureMatrix:
    """`X` (row, feature) float32, symbols one after the other as in `bars`; finite or NaN.

    `offsets`: first row of each kept symbol, and the number of rows at the end. `warmup`: rows of each kept symbol
    before all its features have been defined once. `left_out`: (symbol, reason). `universe`: whose members made up the
    cross-section of a bar; None: all that have one. `finite`: of each row whether all features are; None where that is
    not known, as of whatever is made of another matrix.
    """

    X: np.ndarray
    names: tuple[str, ...]
    bars: tuple[Bars, ...]
    offsets: np.ndarray
    warmup: np.ndarray
    left_out: tuple[tuple[str, str], ...]
    universe: Universe | None = None
    finite: np.ndarray | None = field(default=None, init=False, repr=False, compare=False)

    def known_finite(self, finite: np.ndarray) -> FeatureMatrix:
        """This matrix, of which that is known."""
        object.__setattr__(self, "finite", finite)
        return self


def finite_rows(X: np.ndarray) -> np.ndarray:
    """Which rows of `X` hold finite values only; block by block, so that no second matrix is made."""
    found, ones = np.zeros(len(X), bool), np.ones(X.shape[1], X.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in blocks(X, len(X)):
            found[rows] = finite = np.isfinite(X[rows] @ ones)  # a sum is finite only where all values are
            odd = rows.start + np.flatnonzero(~finite)  # or where it is too large for them
            found[odd] = np.isfinite(X[odd]).all(axis=1)
    return found


def build(
    bars: Sequence[Bars],
    sets: Mapping[str, FeatureSet],
    threads: int = 1,
    room: Room = in_memory,
    universe: Universe | None = None,
) -> FeatureMatrix:
    """Compute `sets` on each symbol, written into `room`; a symbol on which a feature is never defined is left out,
    with the reason.

    Raises ConfigError for sets that give the same column, what is no column of the bars' length, or a column that is
    NaN throughout; DataError if no symbol is longer than the warm-up.
    """
    if not bars:
        raise DataError("data: there are no bars to compute features on; name at least one symbol")
    given, sets = sets, bound(sets, bars, universe)
    names, known = _columns(bars, sets)
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in bars])]).astype(np.int64)
    X = room((int(offsets[-1]), len(names)))

    first = shared((len(bars), len(names)), np.int64)

    def fill(i: int) -> None:
        columns = known.pop(i, None) or compute(bars[i], sets)
        first[i] = _fill(X[offsets[i] : offsets[i + 1]], bars[i], columns, names)
        release(X)

    each(fill, len(bars), threads, fork=X.size >= MUCH and is_shared(X))
    defined = first < np.diff(offsets)[:, None]
    if not defined.all(axis=1).any():
        raise _none_left(bars, given, names, defined)
    return replace(_kept(X, names, bars, offsets, first, defined), universe=universe)


def compute(bars: Bars, sets: Mapping[str, FeatureSet]) -> dict[str, np.ndarray]:
    """All columns of `sets` on one symbol, in order, as they come; ConfigError as for `build`.

    Of bars without volume, those that do not need it.
    """
    if not without_volume(bars):
        return _computed(bars, sets)
    own = {name: one for name, one in sets.items() if not isinstance(one, Bound)}
    needs = needing(bars, lambda stretch: _computed(stretch, at_own_size(own)))
    found = {name: values for name, values in _computed(placeheld(bars), sets).items() if name not in needs}
    if not found:
        raise ConfigError(
            f"features: {', '.join(sets)} need volume, and {bars.symbol} has none; features=price does not"
        )
    return found


def _computed(bars: Bars, sets: Mapping[str, FeatureSet]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    owner: dict[str, str] = {}
    for name, feature_set in sets.items():
        if sees_all(feature_set):
            raise ConfigError(f"features.{name}: compares the symbols of a bar, and {bars.symbol} is given by itself")
        try:
            given = feature_set(bars)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"features.{name}: raised {type(error).__name__} on the {len(bars):,} bars of {bars.symbol} ({reason});"
                " NaN where it is not defined lets a run go on"
            ) from error
        except Exception as error:
            error.add_note(f"in features.{name} on {bars.symbol}")
            raise
        if not isinstance(given, dict) or not given:
            what = "an empty dict" if isinstance(given, dict) else type(given).__name__
            raise ConfigError(f"features.{name}: gave {what}; a feature set returns {{column: array}}")
        for column, values in given.items():
            if column in owner:
                raise ConfigError(f"features: {owner[column]} and {name} both give the column {column}; leave one out")
            owner[column] = name
            columns[column] = _checked(name, column, values, bars)
        if isinstance(given, Block) and len(sets) == 1:
            return given
    return columns


def _checked(name: str, column: str, values: object, bars: Bars) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (len(bars),) or array.dtype.kind not in "fiub":
        raise ConfigError(
            f"features.{name}: {column} of {bars.symbol} has shape {array.shape} and type {array.dtype};"
            f" it must be {len(bars)} numbers, one a bar"
        )
    return array


def _columns(
    bars: Sequence[Bars], sets: Mapping[str, FeatureSet]
) -> tuple[tuple[str, ...], dict[int, dict[str, np.ndarray]]]:
    """Names of all columns, from one symbol for each choice of extra columns, and what was computed on the way."""
    sources: dict[frozenset[str], int] = {}
    for i, b in enumerate(bars):
        sources.setdefault(frozenset(b.extra), i)
    known = {i: compute(bars[i], sets) for i in sources.values()}
    richest_first = sorted(known.values(), key=len, reverse=True)
    return tuple(dict.fromkeys(name for columns in richest_first for name in columns)), known


def _fill(block: np.ndarray, bars: Bars, columns: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Write one symbol's rows and return, per name, the first row at which it is defined (the length if never)."""
    unknown = columns.keys() - set(names)
    if unknown:
        raise ConfigError(f"features: {min(unknown)} of {bars.symbol} is a column that other symbols lack")
    if isinstance(columns, Block) and tuple(columns) == tuple(names):
        return _taken(block, columns.array)
    values = np.empty(block.shape[::-1], dtype=np.float32)  # a column a row: written, searched and turned over quickest
    with np.errstate(over="ignore"):
        for place, name in enumerate(names):
            values[place] = columns.get(name, np.nan)
    known = np.isfinite(values)
    np.copyto(values, np.nan, where=~known)
    block[:] = values.T
    return np.where(known.any(axis=1), known.argmax(axis=1), len(bars)) if len(bars) else np.zeros(len(names), np.int64)


def _taken(block: np.ndarray, array: np.ndarray) -> np.ndarray:
    """`_fill` of columns that lie side by side already, some rows at a time, which stay in the cache meanwhile."""
    first = np.full(array.shape[1], len(array), dtype=np.int64)
    with np.errstate(over="ignore"):
        for begin in range(0, len(array), _AT_ONCE):
            part = block[begin : begin + _AT_ONCE]
            part[:] = array[begin : begin + _AT_ONCE]
            known = np.isfinite(part)
            if not known.all():
                np.copyto(part, np.nan, where=~known)
            lacking = np.flatnonzero(first == len(array))
            if len(lacking):
                there = known[:, lacking]
                first[lacking] = np.where(there.any(axis=0), there.argmax(axis=0) + begin, len(array))
    return first


def _kept(
    X: np.ndarray,
    names: tuple[str, ...],
    bars: Sequence[Bars],
    offsets: np.ndarray,
    first: np.ndarray,
    defined: np.ndarray,
) -> FeatureMatrix:
    """The matrix of the symbols whose columns are all defined somewhere, moved up in place."""
    keep: np.ndarray = np.all(defined, axis=1)
    warmup = first.max(axis=1)[keep]
    needs = f"the warm-up of the other symbols is {warmup.max()} bars"
    left_out, end, ends = [], 0, [0]
    for i, b in enumerate(bars):
        if not keep[i]:
            lacking = names[int((~defined[i]).argmax())]
            left_out.append((b.symbol, f"{len(b)} bars, and {lacking} is defined on none of them; {needs}"))
            continue
        if end != offsets[i]:
            X[end : end + len(b)] = X[offsets[i] : offsets[i + 1]]
            release(X)
        end += len(b)
        ends.append(end)
    kept = tuple(b for b, k in zip(bars, keep, strict=True) if k)
    return FeatureMatrix(X[:end], names, kept, np.array(ends, dtype=np.int64), warmup, tuple(left_out))


def _none_left(
    bars: Sequence[Bars], sets: Mapping[str, FeatureSet], names: tuple[str, ...], defined: np.ndarray
) -> ConfigError | DataError:
    """Why no symbol remains: a column that is NaN however many bars there are, or too few bars."""
    longest = max(range(len(bars)), key=lambda i: len(bars[i]))
    many = _repeated(bars[longest], AMPLE) if len(bars[longest]) else None
    own_sizes = at_own_size(sets)
    ample = compute(many, bound(own_sizes, [many])) if many else {}
    firsts = {name: np.flatnonzero(np.isfinite(values)) for name, values in ample.items()}
    for place, name in enumerate(names):
        if not defined[:, place].any() and name in firsts and not len(firsts[name]):
            return ConfigError(
                f"features: {name} is NaN on every bar of every symbol; leave its set out or mend what it reads"
            )
    last = max((name for name in firsts if len(firsts[name])), key=lambda name: firsts[name][0], default=None)
    lacking = names[int((~defined[longest]).argmax())]
    need = f"{last} needs {firsts[last][0] + 1}{_larger(sets, last)}" if last else f"{lacking} needs more"
    return DataError(
        f"data: no symbol is longer than the warm-up; the longest, {bars[longest].symbol}, has {len(bars[longest])}"
        f" bars, and {need}; use more bars or a feature set of shorter windows"
    )


def _larger(sets: Mapping[str, FeatureSet], column: str) -> str:
    """The size of the bars that a column counts in, where they are larger ones."""
    sizes = [str(one.size.every) for one in sets.values() if isinstance(one, Every) and column.endswith(one.suffix)]
    return f" bars of {sizes[0]}, the first not counted" if sizes else ""


def _repeated(bars: Bars, least: int) -> Bars:
    """The bars over and over, `least` or more of them, at rising times."""
    times = -(-least // len(bars))
    many = bars.take(np.tile(np.arange(len(bars)), times))
    return replace(many, time=bars.time[0] + np.arange(len(many)) * np.timedelta64(1, "D"))
