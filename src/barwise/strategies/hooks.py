"""What a strategy may offer beyond fitting and scoring: one small Protocol each, known by its names alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from barwise import hooks
from barwise.data.memmap import ReadsInBlocks
from barwise.devices.choice import DeviceChoice, DeviceSettings
from barwise.samples import Samples


@runtime_checkable
class TorchTrained(Protocol):
    """Trains with torch where `needs_torch`: its device is chosen, and it gets one thread unless told otherwise."""

    needs_torch: bool


@runtime_checkable
class Probed(Protocol):
    """Gives a fresh net and one batch to time devices and threads by."""

    def probe(self, n_features: int) -> tuple[Any, Any, Any]:
        """(net, x, y) of the size that it trains on."""


@runtime_checkable
class Engined(Protocol):
    """Can be trained by one of several libraries."""

    def settle_engine(self, settings: DeviceSettings, n_features: int, threads: int) -> DeviceChoice:
        """Which engine trains, on which device, and why."""


@runtime_checkable
class Explained(Protocol):
    """Knows which features its model leans on."""

    def importance(self) -> Mapping[str, float] | None:
        """Gain by feature name or position; None where this model has none."""


@runtime_checkable
class Contributing(Protocol):
    """Knows what each feature adds to the margin of a row."""

    def contributions(self, samples: Samples) -> np.ndarray:
        """(row, feature + 1): what each feature adds to the raw margin, the base last; they sum to the margin."""

    def margin(self, samples: Samples) -> np.ndarray:
        """(row,) what the score is made of: of classes, that of up less that of down."""


@runtime_checkable
class Ensemble(Protocol):
    """Averages `n_seeds` models."""

    n_seeds: int

    def members(self, samples: Samples) -> np.ndarray:
        """Scores (model, row)."""


@runtime_checkable
class Stateful(Protocol):
    """Scores a bar from a state that it hands on, where `sequence` is stream."""

    sequence: str

    def advance(self, x: np.ndarray, memory: Any = None) -> tuple[np.ndarray, Any]:
        """Scores of the rows of `x` and the state after them."""


@runtime_checkable
class Boosted(Protocol):
    """Trains so many rounds; refitting on all data sets the number that validation found best."""

    n_estimators: int


@runtime_checkable
class Scheduled(Protocol):
    """Trains by `training`, whose `epochs` refitting on all data sets to what validation found best."""

    training: Any


@runtime_checkable
class Budgeted(Protocol):
    """Is made of others: says itself how it is trained on all data, after validation found when each is to stop."""

    def budgeted(self, facts: Mapping[str, Any]) -> Any:
        """The strategy to train on all data, from what the fit with validation rows found."""


@runtime_checkable
class OwnNets(Protocol):
    """Loads nets and parts of the user's own, by the names in `own_nets`."""

    own_nets: frozenset[str]


@runtime_checkable
class Online(Protocol):
    """Goes on learning from labels as they become known where `online`: it is asked bar by bar."""

    online: bool


@runtime_checkable
class Prepared(Protocol):
    """Begins each fit with what does not depend on its settings."""

    def prepare(self, train: Samples, valid: Samples) -> None:
        """Keep that of these rows for the trials of a sweep, which are forked from this process."""


HOOKS: tuple[type, ...] = (
    TorchTrained, Probed, Engined, ReadsInBlocks, Explained, Contributing, Ensemble, Stateful, Boosted, Scheduled,
    Budgeted, OwnNets, Online, Prepared,
)  # fmt: skip
KINDS = {"needs_torch": bool, "online": bool, "in_blocks": bool, "n_seeds": int, "n_estimators": int, "sequence": str}
LIBRARIES = {  # that a module's strategies import when they fit and are saved
    "barwise.strategies.xgb": "xgboost",
    "barwise.strategies.lgbm": "lightgbm",
    "barwise.strategies.cat": "catboost",
    "barwise.strategies.sklearn": "skops.io",
}
REQUIRED = ("lookback", "scale", "takes_nan", "fit", "predict", "save", "load")


def needs_torch(strategy: object) -> bool:
    """Whether the strategy trains with torch."""
    return isinstance(strategy, TorchTrained) and strategy.needs_torch


def with_own_budget(strategy: Any, facts: Mapping[str, Any]) -> Any:
    """A strategy that is made of no other, to be trained for as many rounds or epochs as validation found best."""
    if "rounds" in facts and isinstance(strategy, Boosted):
        strategy.n_estimators = max(1, int(facts["rounds"]))
    if "best_epoch" in facts and isinstance(strategy, Scheduled):
        strategy.training = replace(strategy.training, epochs=max(1, int(facts["best_epoch"])))
    return strategy


def mistakes(strategy: object) -> Iterator[str]:
    """What looks like a hook of a strategy and is none."""
    yield from hooks.mistakes(strategy, HOOKS, REQUIRED, KINDS)
