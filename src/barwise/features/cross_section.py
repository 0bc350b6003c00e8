"""A symbol among the others of its bar: rank, excess over the market, beta and what it leaves, and dispersion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import bottleneck as bn
import numpy as np

from barwise.console.settings import WideWindow, Window, checked
from barwise.features import rolling
from barwise.features.aligned import AlignedBars, across_symbols

_RETURNS, _WINDOW = (1, 5, 20), 60


@across_symbols
@checked("features.cross_section")
def cross_section(
    market: AlignedBars, returns: Sequence[Window] = _RETURNS, window: WideWindow = _WINDOW
) -> dict[str, np.ndarray]:
    """`rank_n`, `excess_n`, `dispersion_n` of the return over a symbol's own last n bars; `beta_w`, `residual_w`.

    The market is the mean return of the bar's members, `dispersion` their standard deviation (ddof 0), `rank` the share
    of the other members that lie below, ties counted half, 0.5 if there is none. `beta` is the slope on the market over
    a symbol's last `window` bars, `residual` the one-bar return less beta times the market's. A symbol outside the
    universe is compared with the members too. ConfigError for a window below 2 or a return over no bars.
    """
    out: dict[str, np.ndarray] = {}
    for n in returns:
        moved = own_return(market, n)
        members = np.where(market.inside, moved, np.nan)
        average = mean(members)
        out[f"rank_{n}"] = rank(moved, members)
        out[f"excess_{n}"] = moved - average
        spread = np.sqrt(mean((members - average) ** 2))
        out[f"dispersion_{n}"] = np.where(np.isfinite(moved), spread, np.nan)
    moved = own_return(market, 1)
    average = np.broadcast_to(mean(np.where(market.inside, moved, np.nan)), moved.shape)
    out[f"beta_{window}"] = market.each(partial(rolling.slope, window=window), average, moved)
    out[f"residual_{window}"] = moved - out[f"beta_{window}"] * average
    return out


def own_return(market: AlignedBars, n: int) -> np.ndarray:
    """The return of each symbol since its own bar `n` bars before; (bar, symbol)."""
    return market.each(partial(rolling.change, period=n), market.close)


def mean(values: np.ndarray) -> np.ndarray:
    """The mean of each row over what is known; (bar, 1)."""
    return rolling.ratio(np.nansum(values, axis=1, keepdims=True), np.isfinite(values).sum(axis=1, keepdims=True))


def rank(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The share of the other members (NaN for what is none) that lie below each value of the row, ties half."""
    count = np.isfinite(members).sum(axis=1, keepdims=True)
    below = bn.nanrankdata(members, axis=1) - 1.0
    out = np.where(count > 1, below / np.maximum(count - 1, 1), np.where(np.isfinite(members), 0.5, np.nan))
    outside = np.isfinite(values) & ~np.isfinite(members)
    for row in np.flatnonzero(outside.any(axis=1)):
        known = np.sort(members[row][np.isfinite(members[row])])
        own = values[row, outside[row]]
        places = (np.searchsorted(known, own) + np.searchsorted(known, own, side="right")) / 2
        out[row, outside[row]] = places / len(known) if len(known) else 0.5
    return out
