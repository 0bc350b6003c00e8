"""Runs to be tampered with, and a process in which they are read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.safety.watched import Watched
from tests.serving.conftest import files, market, trained

__all__ = ["files", "market", "trained"]


@pytest.fixture(scope="session")
def watched() -> Iterator[Watched]:
    """Runs a command of `python -m barwise` where it is seen what starts processes or finds pickled classes."""
    process = Watched()
    yield process
    process.close()


STRATEGIES = {
    "xgboost": ["strategy=xgboost"],
    "lightgbm": ["strategy=lightgbm", "strategy.min_data_in_leaf=10"],
    "catboost": ["strategy=catboost", "strategy.n_estimators=20"],
    "forest": ["strategy=random_forest", "strategy.estimator.n_estimators=3"],
    "hist": ["strategy=hist_gradient_boosting", "strategy.estimator.max_iter=3"],
    "lstm": ["strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5"],
    "ridge": ["strategy=ridge"],
}


@pytest.fixture
def copy(trained: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """A fresh copy of a finished run, to tamper with."""

    def make(strategy: str) -> Path:
        return shutil.copytree(trained(*STRATEGIES[strategy]), tmp_path / "run")

    return make
