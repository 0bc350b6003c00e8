"""Numbers printed in the papers, or by their authors' own code: each with its citation."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from barwise.evidence.deflated import Moments, expected_maximum, min_track_record, probability
from barwise.evidence.power import critical_sharpe, exceedance, false_discovery_rate, power

NORMAL = NormalDist()
# Monthly returns of a hedge fund index, 24 months: mean 0.036, deviation 0.079, skew -2.448, kurtosis 10.164.
# Bailey and López de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), 2012, and the code of López de
# Prado, Lipton and Zoonekynd, Sharpe Ratio Inference, 2025 (github.com/zoonek/2025-sharpe-ratio, functions.py). The
# latter divides by T where the former, and barwise, divide by T - 1: T = 24 there is n = 25 here.
FUND = Moments(25, 0.036 / 0.079, -2.448, 10.164, 0.0)
Z = NORMAL.inv_cdf(0.95)


def at(benchmark: float) -> float:
    """The deviation of the Sharpe ratio's estimate at a benchmark."""
    return math.sqrt(FUND.spread_at(benchmark) / (FUND.n - 1))


def test_deviation_of_the_estimate():
    """0.329, and 0.214 for normal returns."""
    assert at(FUND.sharpe) == pytest.approx(0.329, abs=5e-4)
    assert math.sqrt(Moments(25, FUND.sharpe, 0.0, 3.0, 0.0).spread / 24) == pytest.approx(0.214, abs=5e-4)


@pytest.mark.parametrize(("benchmark", "printed"), [(0.0, 0.987), (0.1, 0.939)])
def test_psr_with_the_variance_at_the_benchmark(benchmark: float, printed: float):
    """2025: PSR is 1 - p of a test against the benchmark, so that the variance is taken there. Ours (2012) takes it at
    the Sharpe ratio seen, which is larger for a negative skew: 0.917 and 0.861."""
    assert 1 - exceedance(FUND, benchmark) == pytest.approx(printed, abs=5e-4)
    assert probability(FUND, benchmark) == pytest.approx(
        NORMAL.cdf((FUND.sharpe - benchmark) / at(FUND.sharpe)), abs=1e-12
    )
    assert probability(FUND, benchmark) < printed


def test_minimum_track_record_with_the_variance_at_the_benchmark():
    """13.029 months, without the one that T - 1 adds; ours with the variance at the Sharpe ratio seen."""
    assert (Z / FUND.sharpe) ** 2 * FUND.spread_at(0.0) == pytest.approx(13.029, abs=5e-4)
    assert min_track_record(FUND) == pytest.approx(1 + (Z / FUND.sharpe) ** 2 * FUND.spread, rel=1e-12)


def test_power_and_false_discovery_rates():
    """β = 0.315 against 0.5 a month; planned rate 0.581, observed 0.306, where one strategy in twenty has skill."""
    assert 1 - power(FUND, Z, 0.5) == pytest.approx(0.315, abs=5e-4)
    assert false_discovery_rate(0.05, 1 - 0.315, 0.05) == pytest.approx(0.581, abs=5e-4)
    observed = false_discovery_rate(exceedance(FUND, 0.0), exceedance(FUND, 0.5), 0.05)
    assert observed == pytest.approx(0.306, abs=5e-4)
    assert critical_sharpe(FUND, Z) == pytest.approx(Z / math.sqrt(24), rel=1e-12)


def test_the_deflated_sharpe_ratios_own_example():
    """Bailey and López de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014: the best of
    100 trials, 2.5 a year over 1,250 days of 250 a year, skew -3, kurtosis 10, variance of the trials a year 1/2: a
    Sharpe of luck of 0.1132 a day and DSR 0.9004."""
    luck = expected_maximum(100, 0.5 / 250)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    seen = 2.5 / math.sqrt(250)
    assert probability(Moments(1250, seen, -3.0, 10.0, 0.0), luck) == pytest.approx(0.9004, abs=5e-5)


def test_the_same_after_46_trials():
    """Ibid.: after 46 trials the confidence would have been 0.95; for normal returns, after 88."""
    normal = Moments(1250, 2.5 / math.sqrt(250), 0.0, 3.0, 0.0)
    assert probability(normal, expected_maximum(88, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)
    seen = Moments(1250, 2.5 / math.sqrt(250), -3.0, 10.0, 0.0)
    assert probability(seen, expected_maximum(46, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize(
    ("months", "skew", "kurtosis", "printed"),
    [(24, 0.0, 3.0, 0.982), (24, -2.448, 10.164, 0.913), (36, -2.448, 10.164, 0.953)],
)
def test_psr_of_the_fund(months: int, skew: float, kurtosis: float, printed: float):
    """2012: a yearly Sharpe ratio of 1.59 from monthly returns, of which 0.458 a month."""
    assert probability(Moments(months, 0.458, skew, kurtosis, 0.0)) == pytest.approx(printed, abs=1e-3)


@pytest.mark.parametrize(
    ("a_year", "skew", "kurtosis", "printed"),
    [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_minimum_track_record_in_years(a_year: int, skew: float, kurtosis: float, printed: float):
    """2012: a yearly Sharpe ratio of 2 against 1, at 95 %, from daily, weekly and monthly returns."""
    bar = 1 / math.sqrt(a_year)
    bars = min_track_record(Moments(1000, 2 * bar, skew, kurtosis, 0.0), bar)
    assert bars / a_year == pytest.approx(printed, abs=0.006)


def test_expected_maximum_of_pseudo_mathematics():
    """Bailey, Borwein, López de Prado and Zhu, Pseudo-Mathematics and Financial Charlatanism, Notices of the AMS 61(5),
    2014: the best of ten trials of one year without skill is expected to show 1.57 a year; five years of data bear no
    more than 45 independent trials for an expected maximum below 1."""
    assert expected_maximum(10, 1.0) == pytest.approx(1.57, abs=0.01)
    assert expected_maximum(45, 1 / 5) == pytest.approx(1.0, abs=0.01)
