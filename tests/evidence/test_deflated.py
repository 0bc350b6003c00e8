"""Probabilistic and deflated Sharpe ratio against skfolio and against plain formulas from the papers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import skfolio.measures as skfolio

from barwise.evidence.deflated import (
    Moments,
    deflated_sharpe,
    estimator_variance,
    expected_maximum,
    min_track_record,
    probabilistic_sharpe,
    probability,
)
from tests.reference import sharpe as plain


def returns(seed: int, n: int = 400, rho: float = 0.0) -> np.ndarray:
    """Fat-tailed, skewed returns with autocorrelation `rho`."""
    random = np.random.default_rng(seed)
    noise = random.standard_t(4, n) * 0.01 + random.exponential(0.004, n) - 0.0035
    for t in range(1, n):
        noise[t] += rho * noise[t - 1]
    return noise


CASES = [(seed, n, rho) for seed, (n, rho) in enumerate([(30, 0.0), (400, 0.0), (400, 0.4), (400, -0.3), (3000, 0.15)])]


@pytest.mark.parametrize(("seed", "n", "rho"), CASES)
def test_equals_plain_formulas(seed, n, rho):
    x = returns(seed, n, rho)
    assert estimator_variance(x) == pytest.approx(plain.variance(x), rel=1e-9)
    for benchmark in (0.0, 0.03, -0.1):
        assert probabilistic_sharpe(x, benchmark) == pytest.approx(plain.psr(x, benchmark), abs=1e-9)
    for trials in (2, 10, 37.5, 5000):
        spread = 0.002
        assert deflated_sharpe(x, trials, spread) == pytest.approx(plain.psr(x, plain.luck(trials, spread)), abs=1e-9)


@pytest.mark.parametrize(("seed", "n", "rho"), CASES)
def test_without_autocorrelation_it_is_skfolios(seed, n, rho):
    x = returns(seed, n, rho)
    apart = replace(Moments.of(x), rho=0.0)
    assert probability(apart, 0.02) == pytest.approx(skfolio.probabilistic_sharpe_ratio(x, 0.02), abs=1e-9)
    trials = np.random.default_rng(seed).normal(0.0, 0.05, 25)
    luck = expected_maximum(25, float(np.var(trials, ddof=1)))
    assert luck == pytest.approx(skfolio.expected_max_sharpe_ratio(25, trials.std(ddof=1)), abs=1e-9)
    assert probability(apart, luck) == pytest.approx(skfolio.deflated_sharpe_ratio(x, trials), abs=1e-9)


def test_the_variance_is_what_autocorrelated_returns_show():
    """Simulated: the spread of estimated Sharpe ratios over many histories is the one the formula gives."""
    random = np.random.default_rng(0)
    n, rho, markets = 500, 0.4, 3000
    noise = random.standard_normal((markets, n))
    for t in range(1, n):
        noise[:, t] = rho * noise[:, t - 1] + math.sqrt(1 - rho**2) * noise[:, t]
    noise += 0.1
    seen = float(np.var(noise.mean(axis=1) / noise.std(axis=1, ddof=1), ddof=1))
    formula = float(np.mean([estimator_variance(x) for x in noise[:200]]))
    assert seen == pytest.approx(formula, rel=0.1)
    independent = np.mean([replace(Moments.of(x), rho=0.0).spread / (n - 1) for x in noise[:200]])
    assert seen > 1.8 * independent


def test_a_track_record_of_that_length_is_just_enough():
    x = returns(5, 600) + 0.001
    bars = min_track_record(Moments.of(x))
    assert probability(replace(Moments.of(x), n=bars)) == pytest.approx(0.95, abs=1e-9)
    assert min_track_record(Moments.of(-np.abs(x))) == math.inf
    assert min_track_record(Moments.of(x), benchmark=0.01) > bars


def test_a_lucky_maximum_grows_with_the_trials():
    found = [expected_maximum(n, 0.01) for n in (1, 1.1, 2, 10, 100, 1e6)]
    assert found[0] == 0.0 and found == sorted(found)
    drawn = np.random.default_rng(1).normal(0, 0.1, (20_000, 100)).max(axis=1).mean()
    assert expected_maximum(100, 0.01) == pytest.approx(drawn, rel=0.02)


@pytest.mark.parametrize("x", [np.zeros(50), np.full(50, 0.01), np.array([0.1]), np.zeros(0)])
def test_what_never_moves_has_no_probability(x):
    assert math.isnan(probabilistic_sharpe(x)) and math.isnan(min_track_record(Moments.of(x)))
