"""What happens in a run, as named events: the terminal, TensorBoard, the monitor, pruning and trackers hear them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class FoldEnd:
    """A fold that is scored: its number, how many are scored by now, what run.json says of it, and what the folds so
    far have earned (traded when asked for; the names are those of metrics.json)."""

    number: int
    done: int
    facts: Mapping[str, Any]
    so_far: Callable[[], Mapping[str, float | None]]


class Listener:
    """Hears what happens in a run, in the order of these methods; a listener overrides what it wants to hear.

    What a listener raises ends the run.
    """

    def started(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """The bars are known (`manifest["data"]`, as in run.json), and nothing is learned from them yet."""

    def stage(self, name: str | None) -> None:
        """The run is in this stage now, such as features or audit; None: between two of them."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So many of `total` folds (or rows) are done; the last call has done == total, after an error too."""

    def fold_started(self, fold: int) -> None:
        """A fold is about to be fit."""

    def note(self, text: str) -> None:
        """One short line on how far a fit is."""

    def step(self, seconds: float, waited: float) -> None:
        """One training step took `seconds`, after `waited` seconds for its data."""

    def epoch(self, number: int) -> None:
        """An epoch of a net is over."""

    def memory(self, used: Mapping[str, float], epoch: int) -> None:
        """After an epoch: MB in use by the process that trains and on its device, MB of the machine, utilisation."""

    def validated(self, fold: int, loss: float, step: int) -> None:
        """The validation loss after an epoch or boosting round."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """One number under its own name, such as fold-0/train_loss or device/process_mb."""

    def alert(self, kind: str, message: str) -> None:
        """What the user must know: a fallback, NaN, memory running out."""

    def fold_finished(self, fold: FoldEnd) -> None:
        """A fold is scored and kept; so is one that was taken from the run that was cut off."""

    def finished(self, metrics: Mapping[str, Any], equity: np.ndarray) -> None:
        """The metrics are known, and the net equity by bar."""

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """`manifest["status"]` is done (with verdict.json and the page in `folder`), failed, refused or pruned."""


@dataclass(frozen=True)
class Listeners(Listener):
    """Several listeners as one; each event goes to all of them, in order."""

    of: tuple[Listener, ...] = field(default=())

    def over(self, items: Sequence[T], what: str) -> Iterator[T]:
        """Iterate over `items`, telling of each that is done."""
        total = len(items)
        try:
            for done, item in enumerate(items):
                self.progress(what, done, total)
                yield item
        finally:
            self.progress(what, total, total)

    def started(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        for one in self.of:
            one.started(folder, manifest)

    def stage(self, name: str | None) -> None:
        for one in self.of:
            one.stage(name)

    def progress(self, what: str, done: int, total: int) -> None:
        for one in self.of:
            one.progress(what, done, total)

    def fold_started(self, fold: int) -> None:
        for one in self.of:
            one.fold_started(fold)

    def note(self, text: str) -> None:
        for one in self.of:
            one.note(text)

    def step(self, seconds: float, waited: float) -> None:
        for one in self.of:
            one.step(seconds, waited)

    def epoch(self, number: int) -> None:
        for one in self.of:
            one.epoch(number)

    def memory(self, used: Mapping[str, float], epoch: int) -> None:
        for one in self.of:
            one.memory(used, epoch)

    def validated(self, fold: int, loss: float, step: int) -> None:
        for one in self.of:
            one.validated(fold, loss, step)

    def scalar(self, name: str, value: float, step: int) -> None:
        for one in self.of:
            one.scalar(name, value, step)

    def alert(self, kind: str, message: str) -> None:
        for one in self.of:
            one.alert(kind, message)

    def fold_finished(self, fold: FoldEnd) -> None:
        for one in self.of:
            one.fold_finished(fold)

    def finished(self, metrics: Mapping[str, Any], equity: np.ndarray) -> None:
        for one in self.of:
            one.finished(metrics, equity)

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        for one in self.of:
            one.ended(folder, manifest)
