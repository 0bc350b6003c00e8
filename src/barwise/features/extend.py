"""A kept matrix with more bars at its end: the new rows are computed, the others stay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market, Universe
from barwise.data.hash import digests
from barwise.data.memmap import release
from barwise.features import FeatureSet
from barwise.features.aligned import between, bound, sees_all
from barwise.features.matrix import FeatureMatrix, Room, compute
from barwise.features.parallel import MUCH, each, is_shared, shared
from barwise.features.side_by_side import side_by_side
from barwise.features.spot_check import ROWS, SAME
from barwise.features.store_writer import Kept, meta_of, read_kept
from barwise.runs.blocks import Damaged

_LET_GO = 64  # symbols after which the memory of what is mapped is given back
_MOST = 0.2  # of a symbol's bars may be new: beyond that building anew costs little more


@dataclass(frozen=True)
class History:
    """What a matrix was made of: `sets`, the fingerprint of everything but the bars, and {symbol: (bars, digest)}."""

    sets: str
    bars: Mapping[str, tuple[int, str]]

    def meta(self) -> dict[str, Any]:
        """As it stands in meta.json."""
        return {"sets": self.sets, "bars": {symbol: list(one) for symbol, one in self.bars.items()}}


def history_of(sets: str, market: Market) -> History:
    """Of a matrix of these sets on this market."""
    return History(sets, {b.symbol: (len(b), _digests(b, len(b), market.universe)[1]) for b in market.bars})


def _digests(bars: Bars, n: int, universe: Universe | None) -> tuple[str, str]:
    """The hashes of the first `n` bars of a symbol and of all of them, each with its stays."""
    early, every = digests(bars, n, len(bars))
    if universe is None:
        return early, every
    inside = universe.inside(bars.symbol, bars.time)
    return early + hashlib.sha256(inside[:n].data).hexdigest(), every + hashlib.sha256(inside.data).hexdigest()


def base_of(
    folders: Sequence[Path], wanted: str, market: Market, maps: Callable[[int], bool] | None = None
) -> tuple[Kept, Path, History] | None:
    """The matrix among `folders` that has the first bars of this market and the same sets, where it lies, and what this
    market's history is; None where there is none that a window of bars carries on."""
    by_symbol = {b.symbol: b for b in market.bars}
    for folder in folders:
        try:
            past = meta_of(folder).get("history")
            if not past or past["sets"] != wanted:
                continue
            now = _carried_on(past["bars"], by_symbol, market.universe)
            if now is None:
                continue
            old = [by_symbol[symbol].take(slice(0, n)) for symbol, (n, _) in past["bars"].items()]
            kept = read_kept(folder, old, maps)
        except (Damaged, OSError, KeyError, TypeError, ValueError):
            continue
        whole = kept is not None and not kept.matrix.left_out and len(kept.matrix.bars) == len(old)
        if kept is not None and whole and all(kept.windows.values()):
            return kept, folder, History(wanted, now)
    return None


def _carried_on(
    past: Mapping[str, Sequence[Any]], now: Mapping[str, Bars], universe: Universe | None
) -> dict[str, tuple[int, str]] | None:
    """Where the market is the past one with some more bars at its end, its own bars and digests; else None."""
    if not past or any(symbol not in now or len(now[symbol]) < n for symbol, (n, _) in past.items()):
        return None
    new = sum(len(now[symbol]) - n for symbol, (n, _) in past.items()) + sum(
        len(b) for symbol, b in now.items() if symbol not in past
    )
    if not 0 < new <= _MOST * sum(n for n, _ in past.values()):
        return None
    found = {}
    for symbol, bars in now.items():
        n, told = past.get(symbol, (len(bars), None))
        early, every = _digests(bars, n, universe)
        if told is not None and early != told:
            return None
        found[symbol] = (len(bars), every)
    return found


def extended(
    base: Kept, market: Market, sets: Mapping[str, FeatureSet], threads: int, room: Room
) -> FeatureMatrix | None:
    """The matrix of the whole market, of which `base` has the first rows; None where its last rows, computed again
    from their windows, are not what it has, so that all must be built."""
    old, names = base.matrix, base.matrix.names
    place = {b.symbol: i for i, b in enumerate(old.bars)}
    window = max((w for w in base.windows.values() if w is not None), default=2) // 2 + ROWS  # it was doubled
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in market.bars])]).astype(np.int64)
    begins = [max(0, len(old.bars[place[b.symbol]]) - window) if b.symbol in place else 0 for b in market.bars]
    parts = [b.take(slice(begin, None)) for b, begin in zip(market.bars, begins, strict=True)]
    if any(sees_all(one) for one in sets.values()):
        first = min(part.time[0] for part, b in zip(parts, market.bars, strict=True) if b.symbol in place)
        last = max(b.time[-1] for b in market.bars)
        parts = [between(b, first, last) if b.symbol in place else b for b in market.bars]
    given = bound(sets, parts, market.universe)
    scale = _scale(old)
    joined = {} if any(sees_all(one) for one in sets.values()) else _joined(old, place, market, parts, sets, scale)
    alone = sum(len(b) > (len(old.bars[place[b.symbol]]) if b.symbol in place else 0) for b in market.bars) > len(
        joined
    )
    X = room((int(offsets[-1]), len(names)), forks=alone)  # copying alone is done here
    before = np.asarray(old.X)
    warmup, wrong = shared((len(parts),), np.int64), shared((1,), np.int64)
    wrong[0] = 0

    def fill(i: int) -> None:
        bars, part = market.bars[i], parts[i]
        block = X[offsets[i] : offsets[i + 1]]
        known = place.get(bars.symbol)
        kept = 0 if known is None else len(old.bars[known])
        if known is not None:
            block[:kept] = before[old.offsets[known] : old.offsets[known + 1]]
        if i in joined:
            block[kept:] = joined[i]
        elif kept < len(bars):
            start = len(part) - (len(bars) - kept)
            back = min(ROWS, kept, start)
            last = _rows(compute(part, given), names, len(part))[start - back :]
            if not _same(last[:back], block[kept - back : kept], scale):
                wrong[0] = 1
            block[kept:] = last[back:]
        warmup[i] = _defined(block, len(bars) if known is None else int(old.warmup[known]) + 1)
        if i % _LET_GO == 0:
            release(X)
            release(old.X)

    if parts:
        fill(0)  # here: what it compiles or imports, forked processes have
    each(lambda i: fill(i + 1), len(parts) - 1, threads if alone else 1, fork=X.size >= MUCH and is_shared(X))
    release(old.X)
    if wrong[0] or (warmup >= np.diff(offsets)).any():
        return None
    return replace(old, X=X, bars=tuple(market.bars), offsets=offsets, warmup=warmup.copy(), universe=market.universe)


def _joined(
    old: FeatureMatrix, place: Mapping[str, int], market: Market, parts: Sequence[Bars], sets: Mapping[str, FeatureSet],
    scale: np.ndarray,
) -> dict[int, np.ndarray]:  # fmt: skip
    """By symbol its new rows, computed side by side; without those before which the last rows that are known are
    not what they were."""
    last = {}
    for i, (bars, part) in enumerate(zip(market.bars, parts, strict=True)):
        new = len(bars) - len(old.bars[place[bars.symbol]]) if bars.symbol in place else 0
        if new and len(part) - new >= ROWS:
            last[i] = new + ROWS
    found = side_by_side({i: parts[i] for i in last}, last, sets, old.names)
    if not found:
        return {}
    ends = old.offsets[[place[market.bars[i].symbol] + 1 for i in found]]
    then = old.X[(ends[:, None] - np.arange(ROWS, 0, -1)).ravel()].reshape(len(found), ROWS, -1)
    now = np.array([rows[:ROWS] for rows in found.values()])
    return {
        i: rows[ROWS:] for (i, rows), same in zip(found.items(), _same(now, then, scale, (1, 2)), strict=True) if same
    }


def _rows(columns: Mapping[str, np.ndarray], names: Sequence[str], n: int) -> np.ndarray:
    found = np.full((n, len(names)), np.nan, np.float32)
    with np.errstate(over="ignore"):
        for i, name in enumerate(names):
            if name in columns:
                found[:, i] = columns[name]
    found[~np.isfinite(found)] = np.nan
    return found


def _scale(old: FeatureMatrix) -> np.ndarray:
    """Each column's size on some rows of the last symbol: what distances are measured in."""
    some = np.asarray(old.X[max(0, len(old.X) - 512) :], np.float64)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(some)
        n = np.maximum(1, known.sum(axis=0))
        mean = np.where(known, some, 0).sum(axis=0) / n
        found: np.ndarray = np.sqrt((np.where(known, some - mean, 0) ** 2).sum(axis=0) / n)
    return found


def _same(now: np.ndarray, then: np.ndarray, scale: np.ndarray, axes: tuple[int, ...] | None = None) -> Any:
    """Whether all values are, or those along `axes`."""
    near = np.abs(now - then) <= SAME * (np.abs(then) + scale)
    return (near | (np.isnan(now) & np.isnan(then))).all(axis=axes)


def _defined(block: np.ndarray, n: int) -> int:
    """The first row at which all columns have been defined once, among the first `n`; their number if none."""
    known = np.isfinite(block[:n])
    return int(np.where(known.any(axis=0), known.argmax(axis=0), len(block)).max())
