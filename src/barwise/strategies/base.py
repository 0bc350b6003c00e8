"""What every strategy is, and what a run lends to a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from barwise.samples import Samples


def nothing(*_: Any) -> None:
    """The default of what a run hears from a fit: nobody listens."""


def log_nowhere(name: str, value: float, step: int) -> None:
    """The default of `FitContext.log`: scalars go nowhere."""


@dataclass(frozen=True)
class FitContext:
    """What a run lends to one fit.

    `device`: cpu, cuda or mps, resolved once by the run. `seed`: of this fold. `threads`: for libraries that take a
    number. `folder`: this fold's, for checkpoints. `log(name, value, step)`: a scalar per epoch or boosting round.
    `report(value, step)`: the validation metric so far; raises to prune the trial. `progress(text)`: one short line.
    `alert(kind, message)`: what the user must know. `step(seconds, waited)` and `sample(step)`: for the run's monitor.
    `profile`: training steps to record with PyTorch's profiler, 0 for none. `engine`: the library that trains a net,
    as the run settled it beside the device; None where nobody did.
    """

    device: str = "cpu"
    seed: int = 0
    threads: int = 1
    folder: Path | None = None
    log: Callable[[str, float, int], None] = log_nowhere
    report: Callable[[float, int], None] | None = None
    progress: Callable[[str], None] | None = None
    alert: Callable[[str, str], None] = nothing
    step: Callable[[float, float], None] = nothing
    sample: Callable[[int], Any] = nothing
    profile: int = 0
    engine: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # what the fit wants run.json to say, e.g. best_iteration


@runtime_checkable
class Strategy(Protocol):
    """Learns scores from samples. Class attributes `scale` (wants standardised features) and `takes_nan` default to
    False; the core then hands over only rows whose features are all finite. What else one may offer has a
    Protocol of its own in `barwise.strategies.hooks`."""

    lookback: int
    scale: bool
    takes_nan: bool

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        """Learn from labelled `train` rows; `valid` rows are later in time, purged, and may be empty."""

    def predict(self, samples: Samples) -> np.ndarray:
        """A score in [-1, 1] per row; NaN where there is no opinion."""

    def save(self, folder: Path) -> None:
        """Write weights and settings below `folder` in formats that cannot run code."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, ready to predict."""
