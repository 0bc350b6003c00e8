"""From what a model predicts to a score in [-1, 1], and settings beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np

from barwise.console.settings import Number, OneOf, Whole
from barwise.errors import ConfigError
from barwise.runs.directory import write_json
from barwise.safety.files import read_json
from barwise.samples import Samples

Trees = Annotated[int, Whole(1, 100_000)]  # each takes memory and time
Rate = Annotated[float, Number(0.0, 1.0, above=True)]
Patience = Annotated[int, Whole(1, 100_000)]
Task = Annotated[str, OneOf(("auto", "classify", "regress"))]
CLASSES = np.array([-1.0, 0.0, 1.0])  # down, flat, up, in the order of every classifier here


def is_classes(y: np.ndarray) -> bool:
    """Whether labels are -1, 0 and 1 alone."""
    return bool(np.isin(y, CLASSES).all())


def direction(probability: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """P(up) - P(down) from (row, class); a class that was never seen has probability 0."""
    up, down = (probability[:, classes == side].sum(axis=1) for side in (1, -1))
    found: np.ndarray = np.clip(up - down, -1.0, 1.0).astype(np.float64)
    return found


def standardized(prediction: np.ndarray, sigma: float) -> np.ndarray:
    """A regressor's prediction over the training deviation of y, clipped to [-1, 1]."""
    return np.clip(prediction / sigma, -1.0, 1.0).astype(np.float64) if sigma > 0 else np.zeros(len(prediction))


def classify(task: str, train: Samples) -> bool:
    """Whether `strategy.task` means classes on these labels: auto looks at them."""
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
    found: dict[str, Any] = settings
    return found
