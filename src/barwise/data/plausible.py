"""Prices that cannot be: bad ticks, unadjusted splits, repeated bars, bars that change size; each named, then decided.

A warning names the symbol, the time and the size; `on_jump` decides what becomes of the bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from barwise.data.bars import PRICES, Bars
from barwise.data.calendar import bar_size_name
from barwise.errors import DataError

ON_JUMP = ("error", "warn", "drop")
_SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)  # new shares for one, or old for one new
_LEVEL = 1.8  # prices of one bar over those of the last, up or down: below it a crash is as likely as a split
_WICK = 2.0  # the high over open and close, or these over the low
_DEVIATIONS = 10.0  # robust deviations of the symbol's own returns that a jump exceeds
_BACK = 5  # bars in which a bad tick is back at its level
_SPLIT_SLACK = (0.03, 0.12)  # relative: what the market may move on the day of a split, least and most
_REPEATED = 10  # identical bars in a row, volume included: a market that stands still, or a filled hole
_GRID = 25  # bars whose lower quartile of spacing is the size of a bar there
_OTHER_SIZE = 1.9  # times as wide or as narrow
_SHOWN = 3


@dataclass(frozen=True)
class _Doubt:
    """Something about one symbol's bars that cannot well be.

    `kind`: tick, level, repeated, size or volume. `rows`: the bars in doubt. `text` names the time and the size.
    """

    symbol: str
    kind: str
    rows: np.ndarray
    text: str


_HINTS = {
    "tick": "data.on_jump=drop leaves such bars out",
    "level": "adjust the prices by their splits; data.on_jump=drop leaves such symbols out",
    "repeated": "data.on_jump=drop leaves the repeated bars out",
    "size": "keep bars of one size",
    "volume": "features that need volume say nothing",
}
_TITLES = {
    "tick": "bad ticks",
    "level": "jumps that stay, as of an unadjusted split",
    "repeated": "identical bars in a row",
    "size": "bars that change size",
    "volume": "no volume",
}


def plausible(bars: Sequence[Bars], on_jump: str, splits_known: bool) -> tuple[tuple[Bars, ...], list[str]]:
    """The bars that stay, and one warning a kind of doubt.

    `on_jump`: `warn` keeps every bar; `drop` leaves out bad ticks and repeated bars, and a symbol whose level jumps as
    a whole; `error` is a DataError. `splits_known`: prices are adjusted, or an adjusted close tells of the splits.
    """
    calm = _calm_ends(bars)
    doubts = [d for b in bars for d in (_sizes(b) if b.symbol in calm else _doubts_of(b, splits_known))]
    lines = {kind: _line(kind, [d for d in doubts if d.kind == kind]) for kind in _TITLES}
    lines = {kind: text for kind, text in lines.items() if text}
    if not lines or on_jump == "warn":
        return tuple(bars), [f"{text}; {_HINTS[kind]}" for kind, text in lines.items()]
    if on_jump == "error":
        raise DataError(f"data: {'; '.join(lines.values())}; data.on_jump=warn keeps such bars and warns")
    thinned = [_without(b, [d for d in doubts if d.symbol == b.symbol]) for b in bars]
    kept = tuple(b for b in thinned if b is not None)
    if not kept:
        raise DataError(f"data: {lines['level']}; data.on_jump=drop leaves no symbol: {_HINTS['level']}")
    left = sum(map(len, bars)) - sum(map(len, kept))
    said = [f"{left} bars are left out, as data.on_jump=drop asks"] if left else []
    return kept, [*lines.values(), *said]


def _doubts_of(bars: Bars, splits_known: bool) -> list[_Doubt]:
    """What cannot well be in one symbol's bars."""
    found = _jumps(bars, splits_known) + _repeated(bars) + _sizes(bars)
    if len(bars) > 1 and not np.any(bars.volume > 0) and not np.isnan(bars.volume).all():  # none: the reader says so
        rows = np.arange(len(bars))
        found.append(_Doubt(bars.symbol, "volume", rows, f"{bars.symbol}: 0 in all {len(bars)} bars"))
    return found


def _calm_ends(bars: Sequence[Bars]) -> set[str]:
    """Of those of which nothing was in doubt before some bars were added, who has no jump and no repeated bar among
    these: the ends of all looked at at once."""
    grown = [(b, b.known.rows - 1) for b in bars if b.known is not None and b.known.calm and b.known.rows]
    if not grown:
        return set()
    open_, high, low, close = (np.concatenate([getattr(b, name)[n:] for b, n in grown]) for name in PRICES)
    of = np.repeat(np.arange(len(grown)), [len(b) - n for b, n in grown])
    top, bottom, next_ = np.maximum(open_, close), np.minimum(open_, close), of[1:] == of[:-1]
    moves = np.append(1.5, np.where(next_, close[1:] / close[:-1], 1.5))  # of the first of each there is none
    odd = ~_near(moves, 0.999 * _LEVEL) | (moves == 1.0)
    for ratio in (high / top, low / bottom, open_ / close):
        odd |= ~_near(ratio, 0.999 * _WICK)
    return {b.symbol for (b, _), one in zip(grown, np.bincount(of, odd), strict=True) if not one}


def _near(ratio: np.ndarray, most: float) -> np.ndarray:
    """Whether prices are within `most` times each other."""
    near: np.ndarray = (ratio < most) & (ratio > 1 / most)
    return near


def _jumps(bars: Bars, splits_known: bool) -> list[_Doubt]:
    """Bad ticks, whole bars or a high or low alone, and levels that change for good."""
    if len(bars) < 3 or _calm(bars):
        return []
    move = np.diff(np.log(bars.close))
    deviation = 1.4826 * float(np.median(np.abs(move - np.median(move))))
    least = max(_DEVIATIONS * deviation, float(np.log(_LEVEL)))
    jumps = np.flatnonzero(np.abs(move) > least) + 1
    found, shifts, at = [], [], 0
    while at < len(jumps):
        row = int(jumps[at])
        back = next((int(u) for u in jumps[at + 1 :] if u - row <= _BACK and _returns(move, row, int(u))), None)
        if back is None:
            shifts.append(row)
            at += 1
        else:
            found.append(_tick(bars, np.arange(row, back), float(np.exp(move[row - 1])), "close"))
            at = int(np.searchsorted(jumps, back, side="right"))
    ticks = np.concatenate([np.array([], int), *(d.rows for d in found)])
    if not splits_known:
        found += [_shift(bars, row, float(move[row - 1]), deviation) for row in shifts]
    return found + _wicks(bars, deviation, ticks)


def _calm(bars: Bars) -> bool:
    """Whether no price is so far from the next that any deviation could make a jump of it."""
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    near = (
        (bars.close[1:] / bars.close[:-1], 0.999 * _LEVEL),
        *((ratio, 0.999 * _WICK) for ratio in (bars.high / top, bars.low / bottom, bars.open / bars.close)),
    )
    return all(bool(_near(ratio, most).all()) for ratio, most in near)


def _returns(move: np.ndarray, row: int, back: int) -> bool:
    """Whether the moves from `row` to `back` end near where they began, and the last undoes the first."""
    total, first, last = float(move[row - 1 : back].sum()), move[row - 1], move[back - 1]
    return bool(np.sign(first) != np.sign(last) and abs(total) < 0.3 * abs(first))


def _tick(bars: Bars, rows: np.ndarray, factor: float, what: str) -> _Doubt:
    size = f"× {factor:.3g}" if factor >= 1 else f"÷ {1 / factor:.3g}"
    return _Doubt(bars.symbol, "tick", rows, f"{bars.symbol} {_date(bars.time[rows[0]])} ({what} {size}, and back)")


def _shift(bars: Bars, row: int, move: float, deviation: float) -> _Doubt:
    factor = float(np.exp(abs(move)))
    slack = float(np.clip(4 * deviation, *_SPLIT_SLACK))
    gap = float(bars.open[row] / bars.close[row - 1])
    size = next((n for n in _SPLITS for f in (max(gap, 1 / gap), factor) if abs(f / n - 1) <= slack), None)
    as_split = "" if size is None else f", as of a split {size} for 1" if move < 0 else f", as of a split 1 for {size}"
    rows = np.arange(row, row + 1)
    return _Doubt(
        bars.symbol, "level", rows, f"{bars.symbol} {_date(bars.time[row])} ({np.expm1(move):+.0%}{as_split})"
    )


def _wicks(bars: Bars, deviation: float, known: np.ndarray) -> list[_Doubt]:
    """A high or a low far from open and close: a tick that the bar has swallowed."""
    least = max(2 * _DEVIATIONS * deviation, float(np.log(_WICK)))
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    spread = np.abs(np.log(bars.open / bars.close))
    previous = np.append(bars.open[:1], bars.close[:-1])
    lone_open = (np.abs(np.log(bars.open / previous)) > least) & (spread > least)
    found = []
    for what, factor in (
        ("high", bars.high / top),
        ("low", bars.low / bottom),
        ("open", np.where(lone_open, bars.open / previous, 1.0)),
    ):
        for row in np.setdiff1d(np.flatnonzero(np.abs(np.log(factor)) > least), known):
            found.append(_tick(bars, np.array([row]), float(factor[row]), what))
    return found


def _repeated(bars: Bars) -> list[_Doubt]:
    still = np.flatnonzero(bars.close[1:] == bars.close[:-1])
    more = _REPEATED - 2  # after the first that is as the one before it
    if not (still[more:] - still[:-more] == more).any() and not np.isnan(bars.close).any():
        return []
    columns = [np.nan_to_num(getattr(bars, name)) for name in (*PRICES, "volume")]
    same = np.logical_and.reduce([np.append(False, c[1:] == c[:-1]) for c in columns])
    found = []
    for first, last in _runs(same):
        count = last - first + 1  # the bar before the run is the first of them
        if count + 1 >= _REPEATED:
            text = f"{bars.symbol} {count + 1} bars from {_date(bars.time[first - 1])} to {_date(bars.time[last])}"
            found.append(_Doubt(bars.symbol, "repeated", np.arange(first, last + 1), text))
    return found


def _sizes(bars: Bars) -> list[_Doubt]:
    """Stretches whose usual spacing is about twice or half that of the rest, or further from it."""
    if len(bars) < 3 * _GRID:
        return []
    found = []
    for first, last in _other_sizes(bars.time.astype("datetime64[s]").astype(np.int64).tobytes()):
        if last - first + 1 >= _GRID:
            there, size = bar_size_name(bars.time[first : last + 1]), bar_size_name(bars.time)
            where = f"from {_date(bars.time[first])} to {_date(bars.time[last])}"
            text = f"{bars.symbol} {where} ({there}, elsewhere {size})"
            found.append(_Doubt(bars.symbol, "size", np.arange(first, last + 1), text))
    return found


@lru_cache(maxsize=4)  # many symbols have the same times
def _other_sizes(seconds: bytes) -> list[tuple[int, int]]:
    gaps = pd.Series(np.diff(np.frombuffer(seconds, np.int64)).astype(float))
    local = gaps.rolling(_GRID, center=True, min_periods=_GRID // 2).quantile(0.25).to_numpy()
    usual = float(np.median(local))
    return _runs(np.append(False, (local > _OTHER_SIZE * usual) | (local * _OTHER_SIZE < usual)))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _without(bars: Bars, doubts: list[_Doubt]) -> Bars | None:
    """The bars without ticks and repeats; None for a symbol whose level jumps."""
    if any(d.kind == "level" for d in doubts):
        return None
    rows = [d.rows for d in doubts if d.kind in ("tick", "repeated")]
    return bars.take(np.setdiff1d(np.arange(len(bars)), np.concatenate(rows))) if rows else bars


def _line(kind: str, doubts: list[_Doubt]) -> str:
    if not doubts:
        return ""
    more = f" and {len(doubts) - _SHOWN} more" if len(doubts) > _SHOWN else ""
    return f"{_TITLES[kind]}: {', '.join(d.text for d in doubts[:_SHOWN])}{more}"


def _date(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T00:00", "").replace("T", " ")
