"""Portfolio rules that look ahead are refused; those that do not pass."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from barwise.audit.portfolio import weights_wait
from barwise.portfolio.context import Context
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import deciles, topk_dropout, volatility


def by_later_returns(context: Context) -> np.ndarray:
    later = np.vstack([context.returns[1:], np.zeros((1, len(context.symbols)))])
    return np.nan_to_num(np.sign(later)) / len(context.symbols)


def by_the_covariance_of_all_bars(context: Context) -> np.ndarray:
    return context.signal / (1 + 50 * np.nanstd(context.returns, axis=0))


def by_the_symbols_that_last(context: Context) -> np.ndarray:
    return context.signal * context.has[-1] / len(context.symbols)


def neutral_over_all_dates(context: Context) -> np.ndarray:
    return np.nan_to_num(context.score - np.nanmean(context.score, axis=0)) / len(context.symbols)


def ranked_among_later_members(context: Context) -> np.ndarray:
    score = np.where(context.inside[-1], np.nan_to_num(context.score), 0.0)
    return np.argsort(np.argsort(score, axis=1), axis=1) / 1000


def by_the_covariance_of_all_bars_shrunk(context: Context) -> np.ndarray:
    covariance = LedoitWolf().fit(np.nan_to_num(context.returns)).covariance_
    return np.nan_to_num(context.score) @ np.linalg.inv(covariance) / 1e5


@pytest.mark.parametrize(
    "rule",
    [by_later_returns, by_the_covariance_of_all_bars, by_the_symbols_that_last, neutral_over_all_dates,
     ranked_among_later_members, by_the_covariance_of_all_bars_shrunk],
)  # fmt: skip
def test_a_rule_that_looks_ahead_is_refused(rule):
    found = [f for f in weights_wait(Portfolio(rule), 0) if not isinstance(f, int)]
    assert len(found) == 1 and found[0].level == "leak" and rule.__name__ in found[0].text


@pytest.mark.parametrize(
    "portfolio",
    [
        Portfolio(deciles), Portfolio(partial(topk_dropout, k=5, drop=1)), Portfolio(volatility, 5),
        Portfolio(max_turnover=0.1), Portfolio(volatility_target=0.1), Portfolio(max_group=0.2, group="sector"),
        Portfolio(rebalance="monthly", net=0),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_passes(portfolio):
    found = list(weights_wait(portfolio, 0))
    assert found and all(isinstance(f, int) for f in found)
