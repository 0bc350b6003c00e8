"""The probability of backtest overfitting against the paper's steps done slowly, and on sweeps whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.errors import ConfigError
from barwise.evidence.overfitting import overfitting
from tests.reference import sharpe as plain


@pytest.mark.parametrize(("seed", "bars", "trials", "splits"), [(0, 160, 5, 8), (1, 120, 12, 6), (2, 80, 3, 4)])
def test_equals_the_paper_step_by_step(seed, bars, trials, splits):
    returns = np.random.default_rng(seed).standard_t(4, (bars, trials)) * 0.01
    returns[:, 0] += 0.001
    assert overfitting(returns, splits).pbo == pytest.approx(plain.pbo(returns, splits), abs=1e-9)


def test_bars_that_do_not_fit_are_the_first():
    returns = np.random.default_rng(3).standard_normal((163, 4))
    assert overfitting(returns, 8) == overfitting(returns[3:], 8)


def test_skill_in_one_trial_is_found_again_and_luck_is_not():
    random = np.random.default_rng(4)
    found = [overfitting(random.standard_normal((512, 20)), 8).pbo for _ in range(40)]
    assert 0.35 < np.mean(found) < 0.65
    skilled = random.standard_normal((512, 20))
    skilled[:, 7] += 0.4
    sure = overfitting(skilled)
    assert sure.pbo < 0.01 and sure.loss < 0.01 and sure.n_halves == 12_870
    assert "Probability of backtest overfitting 0.0" in sure.sentence()


def test_a_trial_that_never_trades_ranks_as_zero():
    returns = np.random.default_rng(5).standard_normal((160, 3)) - 1.0
    returns[:, 1] = 0.0
    assert overfitting(returns, 8).pbo == 0.0  # always chosen, always best


@pytest.mark.parametrize(
    ("shape", "splits", "words"),
    [((100, 1), 16, "1 trials of 100"), ((20, 5), 16, "5 trials of 20"), ((100, 5), 7, "splits=7: must be an even")],
)
def test_too_little_is_refused_in_one_line(shape, splits, words):
    with pytest.raises(ConfigError, match=words):
        overfitting(np.ones(shape), splits)
