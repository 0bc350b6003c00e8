"""p, PSR, DSR, PBO, MinTRL and critical Sharpe ratios beside purgedcv, ml4t-diagnostic and skfolio, with the reason for
each difference; arch's reality check has a test of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import purgedcv
import pytest
import skfolio.measures as skfolio

from barwise.evidence.deflated import Moments, expected_maximum, min_track_record, probability
from barwise.evidence.max_z import MaxZ
from barwise.evidence.overfitting import overfitting
from barwise.evidence.power import critical_sharpe


def returns(seed: int, n: int = 600, mean: float = 0.06) -> np.ndarray:
    """Skewed, fat-tailed returns with a little autocorrelation."""
    random = np.random.default_rng(seed)
    x = random.standard_t(5, n) + 0.5 * (random.exponential(1.0, n) - 1.0)
    x[1:] += 0.1 * x[:-1]
    return 0.01 * (x / x.std() + mean)


SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def ml4t():
    """Its import takes ten seconds: the tests that need it are slow."""
    pytest.importorskip("ml4t.diagnostic", reason="is installed with barwise[test] on Python 3.11 alone")
    from ml4t.diagnostic.evaluation.stats import compute_expected_max_sharpe, compute_sharpe_variance
    from ml4t.diagnostic.evaluation.stats import deflated_sharpe_ratio_from_statistics as of

    return SimpleNamespace(of=of, variance=compute_sharpe_variance, luck=compute_expected_max_sharpe)


@pytest.mark.parametrize("seed", SEEDS)
def test_psr_and_p_of_one_trial(seed):
    """skfolio: the same to rounding. purgedcv: 0.01, as it takes the deviation of the population, and skew and kurtosis
    without bias. Neither knows autocorrelation."""
    x = returns(seed)
    flat = replace(Moments.of(x), rho=0.0)
    theirs = skfolio.probabilistic_sharpe_ratio(x, 0.0)
    assert probability(flat) == pytest.approx(theirs, abs=1e-9)
    assert MaxZ.of([None]).p_value(flat.z) == pytest.approx(1 - theirs, abs=1e-9)
    assert probability(flat) == pytest.approx(purgedcv.probabilistic_sharpe_ratio(x, 0.0), abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_dsr(seed):
    """The same benchmark in all; then as for PSR."""
    x = returns(seed, mean=0.15)
    trials = np.random.default_rng(seed).normal(0.0, 0.04, 30)
    luck = expected_maximum(30, float(np.var(trials, ddof=1)))
    flat = replace(Moments.of(x), rho=0.0)
    assert luck == pytest.approx(skfolio.expected_max_sharpe_ratio(30, trials.std(ddof=1)), abs=1e-9)
    assert probability(flat, luck) == pytest.approx(skfolio.deflated_sharpe_ratio(x, trials), abs=1e-9)
    assert probability(flat, luck) == pytest.approx(purgedcv.deflated_sharpe_ratio(x, 30, trials.var(ddof=1)), abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_track_record(seed):
    """purgedcv rounds up to whole bars."""
    m = replace(Moments.of(returns(seed, mean=0.12)), rho=0.0)
    theirs = purgedcv.min_track_record_length(m.sharpe, 0.0, 0.05, m.skew, m.kurtosis)
    assert 0 <= theirs - min_track_record(m) <= 1


@pytest.mark.parametrize("means", [[0.0] * 6, [0.15, 0.0, 0.0, -0.1]])
def test_pbo(means):
    """purgedcv: the same blocks and ranks; it calls a logit of exactly zero no overfitting, which ours does as the
    paper has it, so that ours is never below."""
    x = np.random.default_rng(4).standard_normal((640, len(means))) + np.array(means)
    theirs = purgedcv.probability_of_backtest_overfitting(x.T, n_splits=8).pbo
    assert theirs - 1e-12 <= overfitting(x, 8).pbo <= theirs + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_ml4t_has_the_same_variance_and_the_same_luck(seed, ml4t):
    """It divides by n, we by n - 1, as the papers before 2025 do."""
    m = Moments.of(returns(seed))
    for sharpe in (0.0, m.sharpe, 0.2):
        theirs = ml4t.variance(sharpe, m.n, m.skew, m.kurtosis, m.rho)
        assert m.spread_at(sharpe) / m.n == pytest.approx(theirs, rel=1e-9)
        above = critical_sharpe(m, 1.645, sharpe) - sharpe
        assert above == pytest.approx(1.645 * math.sqrt(theirs), rel=1e-3)
    assert expected_maximum(30, 0.002) == pytest.approx(ml4t.luck(30, 0.002), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_ml4t_takes_the_variance_at_the_benchmark_and_we_at_what_was_seen(seed, ml4t):
    """As Bailey and López de Prado had it in 2012: PSR and p differ by less than 0.01, a track record by a tenth."""
    m = Moments.of(returns(seed, mean=0.12))
    theirs = ml4t.of(m.sharpe, m.n, skewness=m.skew, excess_kurtosis=m.kurtosis - 3, autocorrelation=m.rho)
    assert probability(m) == pytest.approx(theirs.probability, abs=0.01)
    assert MaxZ.of([None]).p_value(m.z) == pytest.approx(theirs.p_value, abs=0.01)
    assert min_track_record(m) == pytest.approx(theirs.min_trl, rel=0.1)
