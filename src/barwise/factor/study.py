"""The factor tables of any score: decay, quantiles, spread, turnover, by group, year and market state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from barwise.factor import bars, states
from barwise.factor.inference import bootstrap_of, mean_of
from barwise.factor.scores import Frame, Scores, frame

HORIZONS = (1, 2, 3, 5, 10, 15, 20, 30, 40, 50, 60)  # bars, of the decay
_SHORT = (1, 5, 20)  # of quantiles and turnover
_WHOLE = ("horizon", "quantile", "n", "lag")


def study(scores: Scores) -> dict[str, Frame]:
    """The tables by name: decay, series, quantiles, spread, turnover, by, quantiles_by; empty without scores.

    Of each table a row's interval and t are Newey and West's, over bars, or over stretches of pooled bars.
    """
    if len(scores.rows) < 2:
        return {}
    series = _series_of(scores)
    tables = {"decay": _decay(scores), "series": series, "turnover": _turnover(scores)}
    tables |= _quantile_tables(scores)
    tables["by"], tables["quantiles_by"] = states.by(scores, series)
    return tables


def _decay(scores: Scores) -> Frame:
    """Mean correlation by horizon: `ic` and `rank_ic` with t and interval, `icir` (mean over deviation), what
    blocks drawn again say of it, share above zero, and how many bars or stretches they are means of."""
    rows = []
    for horizon in sorted({*HORIZONS, scores.horizon}):
        plain, rank = scores.information(horizon)
        overlap = scores.overlap(horizon)
        one, other = mean_of(plain, overlap), mean_of(rank, overlap)
        above = float((rank[np.isfinite(rank)] > 0).mean()) if other.n else np.nan
        icir = other.mean / other.deviation if other.deviation > 0 else np.nan
        rows.append((horizon, one.mean, one.t, other.mean, other.t, other.low, other.high,
                     *bootstrap_of(rank, overlap), icir, above, other.n))  # fmt: skip
    names = ("horizon", "ic", "ic_t", "rank_ic", "t", "low", "high", "block_low", "block_high", "icir", "positive", "n")
    return frame(_kinds(names), rows)


def _series_of(scores: Scores) -> Frame:
    """Per bar (or stretch of pooled bars, by its first): correlations at the holding horizon; of mean one-bar returns
    all (`market`), each quantile and the spread of the outermost ones; what the market did and was (see `states`)."""
    plain, rank = scores.information(scores.horizon)
    parts, every = scores.parts(1)
    named = {f"q{k + 1}": parts[:, k] for k in range(scores.quantiles)}
    return {
        "time": scores.grid.time[scores.firsts], "ic": plain, "rank_ic": rank, "market": every,
        "spread": parts[:, -1] - parts[:, 0], **named,
        **states.market_states(scores.forward.past, scores.grid.member, scores.firsts),
    }  # fmt: skip


def _quantile_tables(scores: Scores) -> dict[str, Frame]:
    """`quantiles`: mean return of each by horizon, and what it is above all; `spread`: highest less lowest, the long
    and the short side apart (each against the mean of all), and whether quantiles rise."""
    by_part, by_horizon = [], []
    for horizon in sorted({*_SHORT, scores.horizon}):
        overlap = scores.overlap(horizon)
        parts, every = scores.parts(horizon)
        beyond = parts - every[:, None]
        means = []
        for k in range(scores.quantiles):
            plain, more = mean_of(parts[:, k], overlap), mean_of(beyond[:, k], overlap)
            count = float((scores.quantile == k + 1).sum(axis=1).mean())
            known = parts[np.isfinite(parts[:, k]), k]
            won = float((known > 0).mean()) if len(known) else np.nan
            by_part.append((horizon, k + 1, plain.mean, more.mean, more.t, more.low, more.high, won, count))
            means.append(plain.mean)
        long, short = mean_of(beyond[:, -1], overlap), mean_of(-beyond[:, 0], overlap)
        apart = parts[:, -1] - parts[:, 0]
        gap = mean_of(apart, overlap)
        yearly = np.sqrt(scores.per_year / max(horizon, scores.pool))
        sharpe = gap.mean / gap.deviation * yearly if gap.deviation > 0 else np.nan
        sides = (long.mean, long.t, short.mean, short.t)
        by_horizon.append((horizon, gap.mean, gap.t, gap.low, gap.high, *bootstrap_of(apart, overlap), sharpe, *sides,
                           *_monotonicity(means)))  # fmt: skip
    parts_ = ("horizon", "quantile", "mean", "excess", "t", "low", "high", "positive", "symbols")
    spread_ = ("horizon", "spread", "t", "low", "high", "block_low", "block_high", "sharpe", "long", "long_t", "short",
               "short_t", "monotonicity", "rising")  # fmt: skip
    return {"quantiles": frame(_kinds(parts_), by_part), "spread": frame(_kinds(spread_), by_horizon)}


def _monotonicity(means: list[float]) -> tuple[float, float]:
    """(rank correlation of quantile and mean return, share of the steps that rise)."""
    found = np.array(means)
    if not np.isfinite(found).all():
        return np.nan, np.nan
    order = bars.correlation(np.arange(len(found), dtype=float)[None], bars.ranked(found[None]))[0]
    return float(order), float(np.mean([b > a for a, b in pairwise(means)]))


def _turnover(scores: Scores) -> Frame:
    """By lag in bars: rank correlation of a bar's scores with those before, and the share of the lowest and the highest
    quantile that was not in it; means over bars."""
    ranks = scores.ranks if scores.pool == 1 else scores.values
    rows = []
    for lag in _SHORT:
        if lag >= len(scores.rows):
            continue
        pairs = (ranks[lag:], ranks[:-lag]) if scores.across else (ranks[lag:].T, ranks[:-lag].T)  # a symbol in time
        stays = mean_of(_blockwise(*pairs)).mean
        moved = [float(np.nanmean(new)) if np.isfinite(new).any() else np.nan
                 for new in (bars.new_share(scores.quantile, part, lag) for part in (1, scores.quantiles))]  # fmt: skip
        rows.append((lag, stays, *moved))
    return frame(_kinds(("lag", "rank_autocorrelation", "lowest", "highest")), rows)


def _blockwise(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`bars.correlation` of rows, a block at a time."""
    return np.concatenate([bars.correlation(a[rows], b[rows]) for rows in bars.row_blocks(a.shape)])


def _kinds(names: Sequence[str]) -> dict[str, type]:
    """The type of each column: what counts is whole."""
    return {name: int if name in _WHOLE else float for name in names}
