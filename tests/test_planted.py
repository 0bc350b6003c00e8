"""A strategy finds the pattern that is there, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from tests.planted import worth

LEARNERS = (
    "ridge",
    "logistic",
    "xgboost",
    "lightgbm",
    "random_forest",
    "extra_trees",
    "hist_gradient_boosting",
    "lstm",
)
TREES = ("xgboost", "lightgbm", "random_forest", "extra_trees", "hist_gradient_boosting")
SEEDS = range(10)


@pytest.mark.parametrize("strategy", ["ridge", "xgboost"])
def test_a_planted_pattern_is_found(strategy):
    found = worth(strategy, seed=1, ic=0.1, pattern="linear", size=(8, 1500))
    assert found.rank_ic > 0.05 and found.p < 1e-3


def test_trees_find_what_a_linear_model_hardly_can():
    tree, line = (
        worth(name, seed=1, ic=0.2, pattern="nonlinear", size=(8, 1500)).rank_ic for name in ("xgboost", "ridge")
    )
    assert tree > 0.12 and line < 0.5 * tree, (tree, line)


@pytest.mark.parametrize("strategy", ["ridge", "xgboost"])
def test_a_random_walk_shows_nothing(strategy):
    assert worth(strategy, seed=1, ic=0.0, pattern="linear", size=(8, 1500)).p > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("strategy", LEARNERS)
def test_ten_markets_with_a_linear_pattern(strategy):
    found = [worth(strategy, seed, 0.1, "linear").rank_ic for seed in SEEDS]
    print(f"\nlinear {strategy}: mean {np.mean(found):.4f}, from {min(found):.4f} to {max(found):.4f}")
    assert np.mean(found) >= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("strategy", TREES)
def test_ten_markets_with_a_nonlinear_pattern(strategy):
    found = [worth(strategy, seed, 0.1, "nonlinear").rank_ic for seed in SEEDS]
    print(f"\nnonlinear {strategy}: mean {np.mean(found):.4f}, from {min(found):.4f} to {max(found):.4f}")
    assert np.mean(found) >= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("strategy", LEARNERS)
def test_ten_random_walks(strategy):
    found = [worth(strategy, seed, 0.0, "linear") for seed in SEEDS]
    mean, least = np.mean([f.rank_ic for f in found]), min(f.p for f in found)
    print(f"\nrandom walk {strategy}: mean {mean:.4f}, smallest p {least:.4f} of {len(found)} markets")
    assert abs(mean) <= 0.01
    assert least > 0.05 / (len(LEARNERS) * len(SEEDS)), "significant after Bonferroni"
