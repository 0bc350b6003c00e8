"""Reality check and StepM: against arch, and against markets whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM

from barwise.evidence.reality_check import _drawn_means, _long_run_variance, reality_check


def returns(seed: int, means: list[float], bars: int = 600, memory: float = 0.1) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = 0.6 * random.standard_normal((bars, 1)) + 0.8 * random.standard_normal((bars, len(means)))
    for t in range(1, bars):
        x[t] += memory * x[t - 1]
    return 0.01 * (x + np.array(means))


CASES = {"none": [0.0] * 8, "bad ones": [0.02, -0.5, -0.5, -0.5], "two": [0.16, 0.14, 0.0, 0.0, -0.1], "one": [0.2]}


@pytest.mark.parametrize("name", CASES)
def test_p_and_skilled_trials_are_those_of_arch(name):
    """arch compares raw means, we studentised ones: on columns of long-run deviation one they are the same thing.

    p differs by the draws alone: three standard errors of two samples of 2,000 are 0.05 at p = 0.5.
    """
    x = returns(7, CASES[name])
    x = x / np.sqrt(_long_run_variance(x, 8.0))
    ours = reality_check(x, block=8, n=2000, seed=1)
    spa = SPA(np.zeros(len(x)), -x, block_size=8, reps=2000, seed=2)
    spa.compute()
    assert ours.p_value == pytest.approx(spa.pvalues["consistent"], abs=0.05)
    steps = StepM(np.zeros(len(x)), -x, size=0.05, block_size=8, reps=2000, seed=2)
    steps.compute()
    assert list(ours.skilled) == [int(k) for k in steps.superior_models]


def test_the_long_run_variance_is_archs():
    x = returns(3, [0.0, 0.1], bars=200)
    spa = SPA(np.zeros(len(x)), -x, block_size=6, reps=2, seed=0)
    spa.compute()
    np.testing.assert_allclose(_long_run_variance(x, 6.0), spa._loss_diff_var, rtol=1e-9)


def test_draws_have_the_mean_and_the_variance_of_the_stationary_bootstrap():
    x = returns(5, [0.1], bars=300, memory=0.4)
    drawn = _drawn_means(x, 7.0, 4000, seed=0)
    assert drawn.mean() == pytest.approx(x.mean(), abs=4 * drawn.std() / np.sqrt(4000))
    assert drawn.var() * 300 == pytest.approx(_long_run_variance(x, 7.0)[0], rel=0.1)


def test_a_calm_trial_of_small_returns_is_not_hidden_by_a_wild_one():
    x = returns(11, [0.2, 0.0])
    x[:, 1] *= 50
    assert reality_check(x).skilled == (0,)


def test_too_little_is_no_opinion():
    assert reality_check(np.zeros((400, 3))) is None
    assert reality_check(np.ones((10, 3))) is None and reality_check(np.zeros((0, 0))) is None
    with_flat = np.column_stack([np.zeros(600), returns(11, [0.2])])
    assert reality_check(with_flat).skilled == (1,)
