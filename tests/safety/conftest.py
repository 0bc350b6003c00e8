"""Runs to be tampered with, and a record of what Python was asked to execute."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.conftest import files, market, trained

__all__ = ["files", "market", "trained"]

WATCHED = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "exec.marker"}
seen: list[str] = []
watching: list[bool] = []


def listen(event: str, args: tuple[object, ...]) -> None:
    ours = event == "subprocess.Popen" and "barwise.safety.apart" in str(args[1])  # what a model is tried in
    if watching and event in WATCHED and not ours:
        seen.append(event)


sys.addaudithook(listen)


@pytest.fixture
def executed() -> Iterator[list[str]]:
    """The calls that start processes or find pickled classes, while a test runs."""
    seen.clear()
    watching.append(True)
    yield seen
    watching.clear()


STRATEGIES = {
    "xgboost": ["strategy=xgboost"],
    "lightgbm": ["strategy=lightgbm", "strategy.min_data_in_leaf=10"],
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
