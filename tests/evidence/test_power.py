"""Critical and detectable Sharpe ratios: against the closed forms and against simulated histories."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from barwise.evidence.deflated import Moments
from barwise.evidence.power import (
    bars_needed,
    critical_sharpe,
    detectable_sharpe,
    exceedance,
    false_discovery_rate,
    power,
)

NORMAL = NormalDist()
PLAIN = Moments(1000, 0.05, 0.0, 3.0, 0.0)
SKEWED = Moments(800, 0.05, -0.6, 6.0, 0.15)


@pytest.mark.parametrize("moments", [PLAIN, SKEWED])
@pytest.mark.parametrize("z", [1.645, 2.6, 3.1])
def test_what_is_detectable_is_found_as_often_as_it_says(moments, z):
    least = detectable_sharpe(moments, z)
    assert power(moments, z, least) == pytest.approx(0.8, abs=1e-9)
    assert power(moments, z, critical_sharpe(moments, z)) == pytest.approx(0.5, abs=1e-9)
    assert detectable_sharpe(moments, z, 0.2) < critical_sharpe(moments, z) < least
    bars = bars_needed(moments, z)
    assert detectable_sharpe(replace(moments, n=bars), z) == pytest.approx(moments.sharpe, rel=1e-9)


def test_they_are_the_closed_forms_of_normal_returns():
    spread = lambda sr: math.sqrt((1 + sr**2 / 2) / 999)  # noqa: E731
    assert critical_sharpe(PLAIN, 1.645) == pytest.approx(1.645 * spread(0.0), rel=1e-12)
    assert critical_sharpe(PLAIN, 1.645, 0.1) == pytest.approx(0.1 + 1.645 * spread(0.1), rel=1e-12)
    sr = 0.08
    assert power(PLAIN, 1.645, sr) == pytest.approx(NORMAL.cdf((sr - 1.645 * spread(0.0)) / spread(sr)), rel=1e-12)


def test_simulated_histories_are_found_as_often():
    random = np.random.default_rng(3)
    z, n = 1.645, 500
    least = detectable_sharpe(Moments(n, 0.0, 0.0, 3.0, 0.0), z)
    seen = np.mean([Moments.of(random.standard_normal(n) + least).z >= z for _ in range(2000)])
    assert seen == pytest.approx(0.8, abs=0.03)


def test_what_lies_below_zero_is_never_found():
    assert bars_needed(replace(PLAIN, sharpe=-0.01), 1.645) == math.inf
    assert math.isnan(detectable_sharpe(Moments(3, 0.1, 0.0, 30.0, 0.0), 3.0))


def test_the_false_discovery_rate_is_what_simulated_ideas_show():
    """One idea in ten has a Sharpe ratio; of those that show as much as was seen, so many have none."""
    random = np.random.default_rng(5)
    n, skilled, ideas = 400, 0.12, 40_000
    has = random.random(ideas) < 0.1
    seen = random.normal(np.where(has, skilled, 0.0), 1 / math.sqrt(n - 1))
    shown = 0.09
    at = Moments(n, shown, 0.0, 1.0, 0.0)  # a kurtosis of 1: the deviation does not depend on the Sharpe ratio
    rate = false_discovery_rate(exceedance(at, 0.0), exceedance(at, skilled), 0.1)
    assert rate == pytest.approx(np.mean(~has[seen > shown]), abs=0.02)
    assert false_discovery_rate(1.0, 1.0, 0.1) == pytest.approx(0.9) and false_discovery_rate(0.0, 0.5) == 0.0
    assert math.isnan(false_discovery_rate(0.0, 0.0))
