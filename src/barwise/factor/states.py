"""The same by group, by year and by the state of the market, as it was known at each bar."""

from __future__ import annotations

from collections.abc import Iterator

import bottleneck as bn
import numpy as np

from barwise.factor import bars
from barwise.factor.inference import mean_of
from barwise.factor.scores import Frame, Scores, frame
from barwise.portfolio.rules import past_deviation, relative_calm

_TREND, _WILDNESS = 60, 20  # bars of the market's return, and of its volatility
_LEAST_OF_GROUP = 5  # symbols of a group on a bar
_MOST_GROUPS = 30  # of one kind, the largest
_LEAST_BARS = 60  # of past volatility before a bar is called calm or wild by their median


def market_states(past: np.ndarray, member: np.ndarray, rows: np.ndarray) -> Frame:
    """Of `rows`: `up`, the members' mean return of the last 60 bars is above zero; `wild`, the deviation of its last 20
    is above the median of all before. 1, 0, or NaN until known."""
    index = bars.row_mean(past, member)
    there = np.isfinite(index)
    trend = bn.move_sum(np.log1p(np.where(there, np.maximum(index, -0.999), 0.0)), min(_TREND, len(index)))
    deviation = past_deviation(index[:, None], there[:, None], _WILDNESS)[:, 0]
    typical = _running_median(deviation)
    up = np.where(np.isfinite(trend), trend > 0, np.nan)
    wild = np.where(np.isfinite(deviation) & np.isfinite(typical), deviation > typical, np.nan)
    return {"up": up[rows], "wild": wild[rows]}


def _running_median(values: np.ndarray) -> np.ndarray:
    """Median of the finite values up to each; NaN before there are 60."""
    known = np.flatnonzero(np.isfinite(values))
    out = np.full(len(values), np.nan)
    if len(known) >= _LEAST_BARS:
        out[known] = bn.move_median(values[known], len(known), min_count=_LEAST_BARS)
    return out


def by(scores: Scores, series: Frame) -> Frame:
    """Rank correlation and one-bar spread of the outermost quantiles within parts of the bars or of the symbols.

    `kind`: all, year, market (up, down), volatility (calm, wild), symbols (calm, wild, among the others of the bar),
    and each group of the source. Groups of less than 5 symbols on a bar, and years without a stretch, are NaN.
    """
    found: list[tuple[str, str, float, float, float, float, int]] = []
    for kind, value, part in _parts_of_bars(series):
        rank, spread = mean_of(series["rank_ic"][part], scores.overlap(scores.horizon)), mean_of(series["spread"][part])
        found.append((kind, value, rank.mean, rank.t, spread.mean, spread.t, int(part.sum()) * scores.pool))
    for kind, value, cells in _parts_of_symbols(scores) if scores.across else ():
        found.append((kind, value, *_within(scores, cells)))
    kinds = {
        "kind": object,
        "value": object,
        "rank_ic": float,
        "t": float,
        "spread": float,
        "spread_t": float,
        "bars": int,
    }
    return frame(kinds, found)


def _parts_of_bars(series: Frame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind, name and bars of each part of time."""
    yield "all", "all", np.ones(len(series["time"]), bool)
    years = series["time"].astype("datetime64[Y]").astype(int) + 1970
    for year in np.unique(years):
        yield "year", str(year), years == year
    for kind, column, words in (("market", "up", ("down", "up")), ("volatility", "wild", ("calm", "wild"))):
        for k, word in enumerate(words):
            yield kind, word, series[column] == k


def _parts_of_symbols(scores: Scores) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind, name and cells (bar, symbol) of each part of the symbols."""
    grid, rows = scores.grid, scores.rows
    calm = relative_calm(scores.forward.past, grid.has, _WILDNESS)[rows]
    yield "symbols", "calm", calm > 1.0
    yield "symbols", "wild", calm < 1.0
    for kind, codes in grid.groups.items():
        own = codes[rows]
        count = np.bincount(own[own >= 0].astype(np.int64), minlength=1)
        largest = np.argsort(-count, kind="stable")[:_MOST_GROUPS]
        names = next((b.group_names[kind] for b in grid.bars if kind in b.group_names), ())
        for code in np.sort(largest[count[largest] > 0]):
            yield kind, names[code] if code < len(names) else str(code), own == code


def _within(scores: Scores, cells: np.ndarray) -> tuple[float, float, float, float, int]:
    """Mean rank correlation and its t, mean spread and its t, and bars, of some cells alone."""
    columns = np.flatnonzero(cells.any(axis=0))
    inside = cells[:, columns]
    score = np.where(inside, scores.values[:, columns], np.nan)
    _, rank = bars.information(score, scores.returns(scores.horizon)[:, columns], _LEAST_OF_GROUP)
    quantile = np.where(inside, scores.quantile[:, columns], 0)
    ret = scores.returns(1)[:, columns]
    low, high = (bars.row_mean(ret, quantile == part) for part in (1, scores.quantiles))
    one, gap = mean_of(rank, scores.horizon), mean_of(high - low)
    return one.mean, one.t, gap.mean, gap.t, one.n
