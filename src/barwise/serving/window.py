"""How many past bars a feature set needs, measured on made-up bars: the window that live features are computed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.features import FeatureSet
from barwise.features.aligned import among
from barwise.features.every import Every
from barwise.features.matrix import compute

_BARS, _LONGEST, _SHORTEST = 6144, 4096, 64
_SYMBOLS = 3  # of the made-up market; sets across symbols see the others
_ENDS = 6  # places at which whole history and window are compared
_QUOTES = {"bid": 0.9995, "ask": 1.0005}


_Columns = Callable[[Bars], Mapping[str, np.ndarray]]


def reach(
    sets: Mapping[str, FeatureSet], features: tuple[str, ...], extra: Sequence[str] = (), seconds: int | None = None
) -> int | None:
    """Bars that give the last row of `features` as the whole history would; None where no window of 4,096 does.

    The shortest power of two whose float32 values agree at several ends, times two: what a recursive feature
    (RSI, MACD, ATR) still remembers of its start then shrinks to the square of what float32 can tell. `extra`: columns
    of the source that the sets may read. `seconds`: the size of a bar; a set on larger bars is measured on those, and
    needs so many times more (and two, for the first that is not used and the last that has not closed).
    """
    parts = _parts(sets, seconds)
    if parts is None:
        return None
    for market in _made_up(extra):
        scorers = [_columns_on(market, part) for part, _ in parts]
        try:
            wholes = [columns(market[0]) for columns in scorers]
        except Exception:  # a set that needs columns which are not made up here, or the user's
            continue
        if not set(features) <= {name for whole in wholes for name in whole}:
            continue
        found = 1
        for (_, factor), columns, whole in zip(parts, scorers, wholes, strict=True):
            own = tuple(name for name in features if name in whole)
            window = _shortest(market[0], columns, own, whole) if own else 1
            if window is None:
                return None
            found = max(found, window if factor == 1 else (window + 2) * factor)
        return found
    return None


def _parts(sets: Mapping[str, FeatureSet], seconds: int | None) -> list[tuple[Mapping[str, FeatureSet], int]] | None:
    """The sets that go together, and how many bars one of theirs is; None where that is not known."""
    larger = {name: one for name, one in sets.items() if isinstance(one, Every)}
    if larger and not seconds:
        return None
    plain = {name: one for name, one in sets.items() if name not in larger}
    parts: list[tuple[Mapping[str, FeatureSet], int]] = [(plain, 1)] if plain else []
    return parts + [
        ({name: one.at_own_size()}, max(2, -(-one.size.seconds // (seconds or 1)))) for name, one in larger.items()
    ]


def _columns_on(market: Sequence[Bars], sets: Mapping[str, FeatureSet]) -> _Columns:
    return lambda bars: compute(bars, among(bars, sets, market))


def _made_up(extra: Sequence[str]) -> Iterator[list[Bars]]:
    """Markets without and with quotes; the other columns are random walks, the same for all symbols."""
    bars = synthetic.load(n_symbols=_SYMBOLS, n_bars=_BARS, seed=1).bars
    names = [name for name in extra if name not in _QUOTES]
    walks = np.exp(np.random.default_rng(2).normal(0.0, 0.02, (len(names), _BARS)).cumsum(axis=1))
    others = dict(zip(names, walks, strict=True))
    for quotes in ({}, _QUOTES):
        yield [replace(b, extra={name: b.close * x for name, x in quotes.items()} | others) for b in bars]


def _shortest(bars: Bars, columns: _Columns, features: tuple[str, ...], whole: Mapping[str, np.ndarray]) -> int | None:
    ends = np.linspace(_LONGEST + 1, _BARS, _ENDS).astype(int)
    table = np.column_stack([whole[name] for name in features])
    scale = np.nanstd(table, axis=0)
    window = _SHORTEST
    while window <= _LONGEST // 2:
        parts = ((end, bars.take(slice(end - window, end))) for end in ends)
        if all(_agrees(last_row(columns(part), features), table[end - 1], scale) for end, part in parts):
            return 2 * window
        window *= 2
    return None


def _agrees(found: np.ndarray, wanted: np.ndarray, scale: np.ndarray) -> bool:
    close = np.abs(found - wanted) <= 1e-7 * (np.abs(wanted) + np.nan_to_num(scale))
    return bool((close | (np.isnan(found) & np.isnan(wanted))).all())


def last_row(columns: Mapping[str, np.ndarray], features: tuple[str, ...]) -> np.ndarray:
    """The newest value of each feature, NaN where it is not there."""
    return np.array([columns[name][-1] if name in columns else np.nan for name in features], dtype=np.float64)
