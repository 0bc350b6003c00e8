"""The largest of correlated normals: against exact values, plain simulation, and the level it is there for."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from barwise.benchmarks.levels import _DESIGNS, _exposed, _Exposure, _level_of
from barwise.evidence.max_z import MaxZ
from barwise.evidence.sketch import sketch, unit_vectors

NORMAL = NormalDist()
DAYS = np.arange("2010-01-01", "2014-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def alike(m: int, rho: float, seed: int = 0) -> np.ndarray:
    """Unit vectors of `m` trials with correlation about `rho`."""
    random = np.random.default_rng(seed)
    x = math.sqrt(1 - rho) * random.standard_normal((m, 512)) + math.sqrt(rho) * random.standard_normal(512)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("z", [-1.0, 0.5, 1.645, 3.0, 6.0])
def test_one_trial_and_independent_ones_are_exact(z):
    tail = NORMAL.cdf(-z)
    assert MaxZ.of([]).p_value(z) == pytest.approx(tail, rel=1e-9)
    assert MaxZ(alike(1, 0.0)).p_value(z) == pytest.approx(tail, rel=1e-9)
    assert MaxZ.of([None] * 12).p_value(z) == pytest.approx(-math.expm1(12 * math.log1p(-tail)), rel=1e-9)


@pytest.mark.parametrize(("m", "rho"), [(2, 0.0), (10, 0.5), (10, 0.9), (60, 0.3), (600, 0.7)])
def test_it_is_what_simulation_shows(m, rho):
    vectors = alike(m, rho)
    found = MaxZ(vectors)
    drawn = (vectors @ np.random.default_rng(1).standard_normal((512, 30_000))).max(axis=0)
    for z in (1.0, 2.0, 3.0):
        seen = (drawn >= z).mean()
        assert found.p_value(z) == pytest.approx(
            seen, abs=4 * math.sqrt(seen * (1 - seen) / 30_000) + 0.03 * seen + 2e-4
        )
    assert (drawn >= found.critical_value(0.05)).mean() == pytest.approx(0.05, abs=0.007)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_rare_values_are_precise_and_never_beyond_their_bounds(rho):
    found = MaxZ(alike(50, rho))
    for z in (4.0, 6.0, 9.0, 30.0):
        one = 0.5 * math.erfc(z / math.sqrt(2))
        assert one * 0.99 <= found.p_value(z) <= 50 * one * 1.01
    assert found.p_value(8.0) == pytest.approx(50 * 0.5 * math.erfc(8 / math.sqrt(2)), rel=0.02) or rho > 0.9
    assert math.isnan(found.p_value(math.nan))


def test_copies_count_once_and_what_left_no_returns_counts_in_full():
    net = np.random.default_rng(0).standard_normal(len(DAYS))
    kept = sketch(DAYS, net)
    assert MaxZ.of([kept] * 40).p_value(2.0) == pytest.approx(NORMAL.cdf(-2.0), rel=0.02)
    flat = sketch(DAYS, np.zeros(len(DAYS)))
    assert MaxZ.of([kept, None, flat]).alone == 2


def test_trials_of_unequal_lengths_correlate_by_what_they_share():
    random = np.random.default_rng(4)
    net = random.standard_normal(len(DAYS))
    whole, half, other = sketch(DAYS, net), sketch(DAYS[: len(DAYS) // 2], net[: len(DAYS) // 2]), None
    other = sketch(DAYS[len(DAYS) // 2 :], net[len(DAYS) // 2 :])
    v = unit_vectors([whole, half, other])
    c = v @ v.T
    assert c[0, 1] == pytest.approx(math.sqrt(0.5), abs=0.06) and c[0, 2] == pytest.approx(math.sqrt(0.5), abs=0.06)
    assert abs(c[1, 2]) < 0.05
    np.testing.assert_allclose(np.diag(c), 1.0, rtol=1e-12)


@pytest.mark.parametrize("number", [1, 3, 8])
def test_false_alarms_are_as_rare_as_they_should_be(number):
    """300 sets: 5 % ± 3.8 is three standard errors; the whole proof is below."""
    found = _level_of(_DESIGNS[number], 300, seed=number)
    assert 0.012 <= found.alarms <= 0.088


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10), ids=lambda k: _DESIGNS[k].name)
def test_the_level_of_ten_designs(number):
    found = _level_of(_DESIGNS[number], 2000, seed=16 + number)
    assert 0.03 <= found.alarms <= 0.07, found
    assert found.alarms > found.deflated or number == 0


@pytest.mark.parametrize(("m", "at_most"), [(1, 0.09), (10, 0.10)])
def test_exposure_to_a_market_that_rises_is_no_evidence_however_often_it_is_tried(m, at_most):
    """Of ten that are long or flat by chance, the best has a t of alpha above one trial's limit in a third of cases."""
    alone, single, after = _exposed(_Exposure(m, 1.0), 100, 5)
    assert after <= at_most < alone and (single > 0.2 or m == 1)


def test_what_the_market_explains_correlates_no_trials():
    random = np.random.default_rng(2)
    market, own = random.standard_normal(len(DAYS)), random.standard_normal((2, len(DAYS)))
    kept = [sketch(DAYS, 3.0 * market + one) for one in own]
    v, w = unit_vectors(kept), unit_vectors(kept, sketch(DAYS, market))
    assert v[0] @ v[1] > 0.8 and abs(w[0] @ w[1]) < 0.15
    later = sketch(DAYS[-100:], market[-100:])
    assert 0.5 < unit_vectors(kept, later)[0] @ unit_vectors(kept, later)[1] < v[0] @ v[1]
