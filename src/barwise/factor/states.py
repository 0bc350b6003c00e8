"""The same by group, by year and by the state of the market, as it was known at each bar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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


def by(scores: Scores, series: Frame) -> tuple[Frame, Frame]:
    """Within parts of the bars or of the symbols: rank correlation, one-bar spread of the outermost quantiles, and how
    much of these is new from bar to bar; and of each quantile the mean one-bar return less that of all, with its t.

    `kind`: all, year, market (up, down), volatility (calm, wild), symbols (calm, wild, among the others of the bar),
    and each group of the source. Groups of less than 5 symbols on a bar, and years without a stretch, are NaN.
    """
    parts = [(kind, value, _of_bars(scores, series, part)) for kind, value, part in _parts_of_bars(series)]
    if scores.across:
        parts += [(kind, value, _within(scores, cells)) for kind, value, cells in _parts_of_symbols(scores)]
    found, quantiles = [], []
    for kind, value, one in parts:
        rank = mean_of(one.rank, one.overlap)
        gap = mean_of(one.beyond[:, -1] - one.beyond[:, 0])
        found.append((kind, value, rank.mean, rank.t, gap.mean, gap.t, *map(_mean, one.new), one.bars))
        for k in range(scores.quantiles):
            more = mean_of(one.beyond[:, k])
            quantiles.append((kind, value, k + 1, more.mean, more.t))
    words: dict[str, type] = {"kind": object, "value": object}
    numbers = dict.fromkeys(("rank_ic", "t", "spread", "spread_t", "lowest", "highest"), float)
    return (frame({**words, **numbers, "bars": int}, found),
            frame({**words, "quantile": int, "excess": float, "t": float}, quantiles))  # fmt: skip


class _Part(NamedTuple):
    """Of a part: rank correlations and how far they overlap, (observation, quantile) returns less those of all, what is
    new in the lowest and the highest quantile by bar, and the number of bars."""

    rank: np.ndarray
    overlap: int
    beyond: np.ndarray
    new: tuple[np.ndarray, np.ndarray]
    bars: int


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _of_bars(scores: Scores, series: Frame, part: np.ndarray) -> _Part:
    """Of some observations."""
    beyond = np.column_stack([series[f"q{k + 1}"][part] - series["market"][part] for k in range(scores.quantiles)])
    rows = np.repeat(part, scores.pool)
    low, high = (bars.new_share(scores.quantile, k)[: len(rows)] for k in (1, scores.quantiles))
    late = rows[1 : len(low) + 1]
    new = low[: len(late)][late], high[: len(late)][late]
    return _Part(series["rank_ic"][part], scores.overlap(scores.horizon), beyond, new, int(part.sum()) * scores.pool)


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


def _within(scores: Scores, cells: np.ndarray) -> _Part:
    """Of some cells alone; a score's quantile stays that among all."""
    columns = np.flatnonzero(cells.any(axis=0))
    inside = cells[:, columns]
    score = np.where(inside, scores.values[:, columns], np.nan)
    _, rank = bars.information(score, scores.returns(scores.horizon)[:, columns], _LEAST_OF_GROUP)
    quantile = np.where(inside, scores.quantile[:, columns], 0)
    ret = scores.returns(1)[:, columns]
    beyond = bars.mean_by_quantile(quantile, ret, scores.quantiles) - bars.row_mean(ret, quantile > 0)[:, None]
    new = bars.new_share(quantile, 1), bars.new_share(quantile, scores.quantiles)
    return _Part(rank, scores.horizon, beyond, new, int(np.isfinite(rank).sum()))
