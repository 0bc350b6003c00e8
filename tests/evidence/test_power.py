"""Critical and detectable Sharpe ratios: against the closed forms and against simulated histories."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from barwise.evidence.deflated import Moments
from barwise.evidence.power import bars_needed, critical_sharpe, detectable_sharpe, power

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
