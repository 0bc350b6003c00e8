"""From what a model predicts to a score in [-1, 1], and settings beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import ConfigError, require
from barwise.runs.directory import write_json
from barwise.safety.files import read_json
from barwise.samples import Samples

CLASSES = np.array([-1.0, 0.0, 1.0])  # down, flat, up, in the order of every classifier here


def check_boosting(n_estimators: Any, learning_rate: Any, early_stopping_rounds: Any) -> None:
    """ConfigError for settings of boosted trees that are out of range or no numbers."""
    whole("n_estimators", n_estimators, 1, "the shipped default is 300")
    good = isinstance(learning_rate, int | float) and not isinstance(learning_rate, bool) and 0 < learning_rate <= 1
    require(good, f"strategy.learning_rate={learning_rate}: must lie in (0, 1]; the shipped default is 0.05")
    if early_stopping_rounds is not None:
        whole("early_stopping_rounds", early_stopping_rounds, 1, "null is never")


def whole(name: str, value: Any, least: int, advice: str) -> None:
    """ConfigError unless `value` is a whole number of `least` or more."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    require(good, f"strategy.{name}={value}: must be a whole number of {least} or more; {advice}")


def is_classes(y: np.ndarray) -> bool:
    """Whether labels are -1, 0 and 1 alone."""
    return bool(np.isin(y, CLASSES).all())


def direction(probability: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """P(up) - P(down) from (row, class); a class that was never seen has probability 0."""
    up, down = (probability[:, classes == side].sum(axis=1) for side in (1, -1))
    return np.clip(up - down, -1.0, 1.0).astype(np.float64)


def standardized(prediction: np.ndarray, sigma: float) -> np.ndarray:
    """A regressor's prediction over the training deviation of y, clipped to [-1, 1]."""
    return np.clip(prediction / sigma, -1.0, 1.0).astype(np.float64) if sigma > 0 else np.zeros(len(prediction))


def classify(task: str, train: Samples) -> bool:
    """Whether `strategy.task` means classes on these labels: auto looks at them."""
    if task not in ("auto", "classify", "regress"):
        raise ConfigError(f"strategy.task={task}: must be auto, classify or regress")
    classes = is_classes(train.y)
    if task == "classify" and not classes:
        raise ConfigError("strategy.task=classify: these labels are not -1, 0 and 1; use task=regress or other labels")
    return classes if task == "auto" else task == "classify"


def save_settings(folder: Path, kind: str, settings: dict[str, Any]) -> None:
    """Write `strategy.json`: the kind of strategy and what its weights alone do not say."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "strategy.json", {"kind": kind, **settings})


def load_settings(folder: Path, kind: str) -> dict[str, Any]:
    """Read `strategy.json`; ConfigError if it belongs to another kind."""
    settings = read_json(folder / "strategy.json")
    if settings.pop("kind", None) != kind:
        raise ConfigError(f"{folder / 'strategy.json'}: is not a model of {kind}")
    return settings
