"""The audit of the portfolio: weights of a bar do not change with what comes later."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from barwise.audit.findings import Finding
from barwise.data.bars import Bars
from barwise.data.groups import names_of
from barwise.hooks import unwrapped
from barwise.portfolio.context import Context
from barwise.portfolio.portfolio import Portfolio

_BARS, _SYMBOLS, _LOOKS = 90, 24, 6
_LONGEST = 2000  # bars of a window that the probe is made longer by
_EQUAL = 1e-9


def weights_wait(
    portfolio: Portfolio | None, seed: int, bars: Sequence[Bars] = ()
) -> Iterator[Finding | int]:  # fmt: skip
    """Weights of bars cut off after a row equal those of the whole, on made scores and returns; cut ones come first.

    The made market has the groups and the further columns of `bars`.
    """
    if portfolio is None or portfolio.plain:
        return
    context = probe(portfolio, seed, bars)
    first = len(context.time) - 2 * _BARS // 3
    rows = np.unique(np.linspace(first, len(context.time) - 2, _LOOKS).astype(int))
    cut = [portfolio.weights(context.until(int(row)))[row] for row in rows]
    whole = portfolio.weights(context)
    for row, alone in zip(rows, cut, strict=True):
        yield 1
        differs = ~(np.isclose(alone, whole[row], rtol=_EQUAL, atol=_EQUAL) | (np.isnan(alone) & np.isnan(whole[row])))
        if differs.any():
            rule = unwrapped(portfolio.rule)
            name = rule.__name__ if inspect.isfunction(rule) else type(rule).__name__
            text = (
                f"{name}: the weights of a bar change when later bars are cut off, for {int(differs.sum())} of"
                f" {_SYMBOLS} symbols: the portfolio looks ahead."
            )
            yield Finding("portfolio", "leak", text)
            return


def probe(portfolio: Portfolio, seed: int, bars: Sequence[Bars] = ()) -> Context:
    """A made market of scores, signals and returns, with holes, members that come and go, groups, and any
    column that is asked for.

    It is longer than the longest window of the rule, which does nothing before.
    """
    random = np.random.default_rng(seed)
    shape = (_BARS + _windows_of(portfolio), _SYMBOLS)
    has = random.random(shape) > 0.05
    score = np.where(has, np.clip(random.normal(0, 0.4, shape), -1, 1), np.nan)
    inside = np.arange(len(has))[:, None] >= random.integers(0, len(has) // 2, _SYMBOLS) * (
        np.arange(_SYMBOLS) % 3 == 0
    )
    inside &= np.arange(len(has))[:, None] < np.where(np.arange(_SYMBOLS) % 5 == 1, len(has) - _BARS // 3, len(has))
    names = dict.fromkeys([*names_of(bars), *([portfolio.group] if portfolio.group else [])])
    return Context(
        time=np.datetime64("2020-01-01", "ns") + np.arange(len(has)) * np.timedelta64(1, "D"),
        symbols=tuple(f"S{i:02d}" for i in range(_SYMBOLS)),
        score=score,
        signal=np.where(np.abs(np.nan_to_num(score)) > 0.3, np.sign(np.nan_to_num(score)), 0.0),
        has=has,
        inside=inside,
        returns=np.where(has, random.normal(0, 0.02, shape), np.nan),
        held=np.zeros(_SYMBOLS),
        groups={name: np.broadcast_to(np.arange(_SYMBOLS) % 4, shape) for name in names},
        columns=lambda name: np.where(has, np.random.default_rng([seed, len(name)]).lognormal(0, 1, shape), np.nan),
        extra_names=tuple(dict.fromkeys(name for b in bars for name in b.extra)),
    )


def _windows_of(portfolio: Portfolio) -> int:
    """The longest window that the portfolio and its rule are set to, by their settings' names; at most `LONGEST`."""
    rule: Any = portfolio.rule
    given = rule.keywords if isinstance(rule, partial) else getattr(rule, "__dict__", {})
    found = [value for name, value in given.items() if "window" in name and isinstance(value, int)]
    window = portfolio.volatility_window if portfolio.volatility_target is not None else 0
    return min(max([window, *found]), _LONGEST)
