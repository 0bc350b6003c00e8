"""Sets that see all symbols of a bar, as a careless user writes them; each knows something too early."""

from __future__ import annotations

import bottleneck as bn
import numpy as np
import pandas as pd

from barwise.features.aligned import AlignedBars, across_symbols


def moves(market: AlignedBars) -> np.ndarray:
    """Returns from bar to bar; (bar, symbol)."""
    return pd.DataFrame(market.close).ffill().pct_change().where(market.has).to_numpy()


@across_symbols
def ranked_over_all(market: AlignedBars) -> dict[str, np.ndarray]:
    ret = moves(market)
    return {"rank": bn.nanrankdata(ret.ravel()).reshape(ret.shape) / ret.size}


@across_symbols
def tomorrows_mean(market: AlignedBars) -> dict[str, np.ndarray]:
    """One row off, the usual way."""
    mean = np.append(np.nanmean(moves(market)[1:], axis=1), np.nan)
    return {"breadth": np.where(market.has, mean[:, None], np.nan)}


@across_symbols
def whole_sample_beta(market: AlignedBars) -> dict[str, np.ndarray]:
    ret = pd.DataFrame(moves(market))
    index = ret.mean(axis=1)
    return {"beta": np.where(market.has, ret.apply(lambda own: own.cov(index)).to_numpy() / index.var(), np.nan)}


@across_symbols
def first_component(market: AlignedBars) -> dict[str, np.ndarray]:
    """Loadings from all bars, applied to each."""
    ret = np.nan_to_num(moves(market))
    _, _, loadings = np.linalg.svd(ret - ret.mean(axis=0), full_matrices=False)
    return {"component": np.where(market.has, (ret @ np.abs(loadings[0]))[:, None], np.nan)}


@across_symbols
def filled_backwards(market: AlignedBars) -> dict[str, np.ndarray]:
    """The close of the symbol beside it, from the next day where that has none."""
    beside = pd.DataFrame(np.roll(market.close, 1, axis=1)).bfill().to_numpy()
    return {"lead": beside / market.close}


@across_symbols
def todays_members(market: AlignedBars) -> dict[str, np.ndarray]:
    """The excess over those that are members on the last day."""
    ret = moves(market)
    return {"above": ret - ret[:, market.inside[-1]].mean(axis=1, keepdims=True)}


@across_symbols
def by_survival(market: AlignedBars) -> dict[str, np.ndarray]:
    """The market's return, its symbols weighed by their number of bars."""
    weight = market.has.sum(axis=0)
    mean = np.nansum(moves(market) * weight, axis=1) / weight.sum()
    return {"mean": np.where(market.has, mean[:, None], np.nan)}
