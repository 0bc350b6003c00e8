"""Portfolio rules: weights (time, symbol) of a context; row t uses rows up to t."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from barwise.console.settings import Whole, WideWindow
from barwise.errors import require
from barwise.labels import trailing_deviation
from barwise.portfolio.context import Context

Quantiles = Annotated[int, Whole(2, 10_000)]
Count = Annotated[int, Whole(1, 100_000)]
CALMEST = 4.0  # a halted symbol must not take the whole account


def equal(context: Context) -> np.ndarray:
    """The signal over the number of symbols in the universe with a bar: a symbol more or less changes every share."""
    found: np.ndarray = context.signal / np.maximum(context.member.sum(axis=1, keepdims=True), 1)
    return found


def volatility(context: Context, window: WideWindow = 20) -> np.ndarray:
    """Equal shares, each brought to the symbols' mean volatility over the last `window` bars; at most four times."""
    require(window >= 2, f"portfolio.rule.window={window}: must be 2 or more bars; the shipped default is 20")
    found: np.ndarray = equal(context) * relative_calm(context.returns, context.has, window)
    return found


def proportional(context: Context) -> np.ndarray:
    """The signal over the sum of all signals' sizes, at the gross asked for: what trades shares the whole account."""
    size = np.abs(context.signal).sum(axis=1, keepdims=True)
    found: np.ndarray = context.gross * np.divide(
        context.signal, size, out=np.zeros_like(context.signal), where=size > 0
    )
    return found


def deciles(context: Context, quantiles: Quantiles = 10, long: bool = True, short: bool = True) -> np.ndarray:
    """Long the highest of `quantiles` parts of the bar's scores, short the lowest, at the gross asked for.

    Half of it on each side, in equal shares; all of it with one side alone. Flat where fewer symbols than `quantiles`
    have a score, or where the highest and lowest are equal. Ties go by the order of the symbols.
    """
    require(quantiles >= 2, f"portfolio.rule.quantiles={quantiles}: must be 2 or more; the shipped default is 10")
    require(long or short, "portfolio.rule.long=false portfolio.rule.short=false: nothing would be held")
    rank, count = ranked(np.where(context.member, context.score, np.nan))
    size = np.maximum(count // quantiles, 1)
    sides = context.gross / (2 if long and short else 1)
    varied = (count >= quantiles) & (_highest(context) > _lowest(context))
    share = np.where(varied, sides / size, 0.0)
    top, bottom = rank >= count - size, (rank >= 0) & (rank < size)
    found: np.ndarray = share * (top * float(long) - bottom * float(short))
    return found


deciles.reads_scores = True  # type: ignore[attr-defined]


def topk_dropout(context: Context, k: Count = 50, drop: Count = 5) -> np.ndarray:
    """Hold `k` symbols in equal shares, and each bar change at most `drop` of them for better ones; long only.

    Of the held and the best not held together, the held among the lowest `drop` are sold, and as many bought, and
    more until `k` are held. Source: the TopkDropout strategy of qlib (Yang et al., 2020, arXiv:2009.11189).
    """
    require(k >= 1, f"portfolio.rule.k={k}: must be 1 or more symbols; the shipped default is 50")
    require(0 < drop <= k, f"portfolio.rule.drop={drop}: must be from 1 to k ({k}); the shipped default is 5")
    score = np.where(context.member, context.score, np.nan)
    held = np.flatnonzero(context.held > 0)
    weights = np.zeros(score.shape)
    for t, row in enumerate(score):
        held = held[context.inside[t, held]]
        if np.isfinite(row).any():
            held = _dropped(row, held, k, drop)
        weights[t, held] = context.gross / k
    return weights


topk_dropout.reads_scores = True  # type: ignore[attr-defined]


def _dropped(score: np.ndarray, held: np.ndarray, k: int, drop: int) -> np.ndarray:
    """The symbols held after one bar's sales and purchases."""
    low = np.where(np.isfinite(score), score, -np.inf)
    order = np.argsort(-low, kind="stable")
    order = order[np.isfinite(score[order]) | np.isin(order, held)]
    others = order[~np.isin(order, held)]
    best = others[: drop + max(0, k - len(held))]
    together = order[np.isin(order, held) | np.isin(order, best)]
    sold = held[np.isin(held, together[max(0, len(together) - drop) :])]
    bought = best[: len(sold) + max(0, k - len(held))]
    return np.sort(np.append(np.setdiff1d(held, sold), bought))


def ranked(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each score among its bar's, from 0 for the lowest and -1 without one, and their count (time, 1).

    >>> ranked(np.array([[0.2, np.nan, 0.1]]))[0].tolist()
    [[1, -1, 0]]
    """
    known = np.isfinite(score)
    order = np.argsort(np.where(known, score, np.inf), axis=1, kind="stable")
    rank = np.empty(score.shape, np.int64)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(score.shape[1]), score.shape), axis=1)
    return np.where(known, rank, -1), known.sum(axis=1, keepdims=True)


def relative_calm(returns: np.ndarray, has: np.ndarray, window: int) -> np.ndarray:
    """Mean volatility of the symbols with a bar over the symbol's own, at most `CALMEST`; (time, symbol).

    Volatility: standard deviation (ddof 1) of the symbol's last `window` returns, known at t's close. 1 until the
    window is full, and for a price that stood still.
    """
    volatility = past_deviation(returns, has, window)
    known = volatility > 0.0
    count = known.sum(axis=1, keepdims=True)
    typical = np.where(known, volatility, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    calm = np.divide(typical, volatility, out=np.ones_like(volatility), where=known)
    found: np.ndarray = np.minimum(calm, CALMEST)
    return found


def past_deviation(returns: np.ndarray, has: np.ndarray, window: int) -> np.ndarray:
    """Standard deviation (ddof 1) of each symbol's own last `window` returns; NaN until there are so many."""
    out = np.full(returns.shape, np.nan)
    for s in range(returns.shape[1]):
        rows = np.flatnonzero(has[:, s])
        out[rows[1:], s] = trailing_deviation(returns[rows[1:], s], window)  # the first bar has no return
    return out


def _highest(context: Context) -> np.ndarray:
    score = np.where(context.member & np.isfinite(context.score), context.score, -np.inf)
    found: np.ndarray = score.max(axis=1, keepdims=True)
    return found


def _lowest(context: Context) -> np.ndarray:
    score = np.where(context.member & np.isfinite(context.score), context.score, np.inf)
    found: np.ndarray = score.min(axis=1, keepdims=True)
    return found
