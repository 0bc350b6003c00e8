"""How many past bars a feature set needs, measured on made-up bars: the window that live features are computed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.errors import BarwiseError
from barwise.features import FeatureSet
from barwise.features.matrix import compute

BARS, LONGEST, SHORTEST = 6144, 4096, 64
ENDS = 6  # places at which whole history and window are compared
QUOTES = {"bid": 0.9995, "ask": 1.0005}


def reach(sets: Mapping[str, FeatureSet], features: tuple[str, ...]) -> int | None:
    """Bars that give the last row of `features` as the whole history would; None where no window of 4,096 does.

    The shortest power of two whose float32 values agree at several ends, times two: what a recursive feature
    (RSI, MACD, ATR) still remembers of its start then shrinks to the square of what float32 can tell.
    """
    for bars in _made_up():
        try:
            whole = compute(bars, sets)
        except BarwiseError:
            raise
        except Exception:  # a set of the user's that needs columns which are not made up here
            continue
        if set(features) <= set(whole):
            return _shortest(bars, sets, features, whole)
    return None


def _made_up() -> tuple[Bars, Bars]:
    bars = synthetic.load(n_symbols=1, n_bars=BARS, seed=1).bars[0]
    return bars, replace(bars, extra={name: bars.close * factor for name, factor in QUOTES.items()})


def _shortest(
    bars: Bars, sets: Mapping[str, FeatureSet], features: tuple[str, ...], whole: Mapping[str, np.ndarray]
) -> int | None:
    ends = np.linspace(LONGEST + 1, BARS, ENDS).astype(int)
    table = np.column_stack([whole[name] for name in features])
    scale = np.nanstd(table, axis=0)
    window = SHORTEST
    while window <= LONGEST // 2:
        if all(_agrees(bars.take(slice(end - window, end)), sets, features, table[end - 1], scale) for end in ends):
            return 2 * window
        window *= 2
    return None


def _agrees(
    bars: Bars, sets: Mapping[str, FeatureSet], features: tuple[str, ...], wanted: np.ndarray, scale: np.ndarray
) -> bool:
    found = last_row(compute(bars, sets), features)
    close = np.abs(found - wanted) <= 1e-7 * (np.abs(wanted) + np.nan_to_num(scale))
    return bool((close | (np.isnan(found) & np.isnan(wanted))).all())


def last_row(columns: Mapping[str, np.ndarray], features: tuple[str, ...]) -> np.ndarray:
    """The newest value of each feature, NaN where it is not there."""
    return np.array([columns[name][-1] if name in columns else np.nan for name in features], dtype=np.float64)
