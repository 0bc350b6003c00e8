"""The audit of the portfolio: weights of a bar do not change with what comes later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from barwise.audit.findings import Finding
from barwise.portfolio.context import Context
from barwise.portfolio.portfolio import Portfolio

BARS, SYMBOLS, LOOKS = 90, 24, 6
EQUAL = 1e-9


def weights_wait(portfolio: Portfolio | None, seed: int) -> Iterator[Finding | int]:
    """Weights of bars cut off after a row equal those of the whole, on made scores and returns; cut ones come first."""
    if portfolio is None or portfolio.plain:
        return
    context = probe(portfolio, seed)
    rows = np.unique(np.linspace(BARS // 3, BARS - 2, LOOKS).astype(int))
    cut = [portfolio.weights(context.until(int(row)))[row] for row in rows]
    whole = portfolio.weights(context)
    for row, alone in zip(rows, cut, strict=True):
        yield 1
        differs = ~(np.isclose(alone, whole[row], rtol=EQUAL, atol=EQUAL) | (np.isnan(alone) & np.isnan(whole[row])))
        if differs.any():
            name = getattr(getattr(portfolio.rule, "func", portfolio.rule), "__name__", type(portfolio.rule).__name__)
            text = (
                f"{name}: the weights of a bar change when later bars are cut off, for {int(differs.sum())} of"
                f" {SYMBOLS} symbols: the portfolio looks ahead."
            )
            yield Finding("portfolio", "leak", text)
            return


def probe(portfolio: Portfolio, seed: int) -> Context:
    """A made market of scores, signals and returns, with holes, one group, and any column that is asked for."""
    random = np.random.default_rng(seed)
    shape = (BARS, SYMBOLS)
    has = random.random(shape) > 0.05
    score = np.where(has, np.clip(random.normal(0, 0.4, shape), -1, 1), np.nan)
    groups = np.broadcast_to(np.arange(SYMBOLS) % 4, shape)
    made = Context(
        time=np.datetime64("2020-01-01", "ns") + np.arange(BARS) * np.timedelta64(1, "D"),
        symbols=tuple(f"S{i:02d}" for i in range(SYMBOLS)),
        score=score,
        signal=np.where(np.abs(np.nan_to_num(score)) > 0.3, np.sign(np.nan_to_num(score)), 0.0),
        has=has,
        inside=np.ones(shape, bool),
        returns=np.where(has, random.normal(0, 0.02, shape), np.nan),
        held=np.zeros(SYMBOLS),
        columns=lambda name: np.where(has, np.random.default_rng([seed, len(name)]).lognormal(0, 1, shape), np.nan),
    )
    return made if portfolio.group is None else replace(made, groups={portfolio.group: groups})
