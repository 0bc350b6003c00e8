"""What a run lends to each fit: device, threads, seed, who listens; and what it keeps of each fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.audit.watch import lend
from barwise.devices.monitor import memory_in_use
from barwise.experiment.checkpoint import Curves, Finished, begin_again, store, stored
from barwise.experiment.contributions import explain_last
from barwise.experiment.fold_pool import FoldPool
from barwise.experiment.importance import Score, explain
from barwise.experiment.ranges import Ranges, learned
from barwise.experiment.shared import Shared
from barwise.listener import FoldEnd, Listeners
from barwise.runs.directory import write_json
from barwise.safety.signature import sign
from barwise.samples import Panel, Samples, Scaler
from barwise.signals import SignalRule
from barwise.strategies.base import FitContext, Strategy
from barwise.validation.folds import Fold

if TYPE_CHECKING:
    from barwise.audit.in_run import FoldAudit
    from barwise.experiment.results import OutOfSample


def _untraded(parts: list[OutOfSample]) -> dict[str, float | None]:
    """Where nobody trades the folds so far."""
    return {}


@dataclass
class FitSession:
    """What the run lends to each fit, and what it keeps of each fold.

    `folder`: where models and checkpoints go, None for nowhere. `profile`: training steps of the first fold that
    PyTorch's profiler records. `engine`: the library that trains a net, as it was settled. `traded`: metrics of the
    folds so far. `finished`: the folds that are scored, in order. `pool`: processes that train folds. `common`: what
    trials of the same panel share.
    """

    folder: Path | None = None
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    listeners: Listeners = field(default_factory=Listeners)
    shuffle_labels: bool = False
    resumed: bool = False
    importance: str = "none"
    profile: int = 0
    engine: str | None = None
    checks: FoldAudit | None = None
    traded: Callable[[list[OutOfSample]], dict[str, float | None]] = _untraded
    finished: list[Finished] = field(default_factory=list)
    pool: FoldPool | None = None
    common: Shared = field(default_factory=Shared)

    def silent(self) -> FitSession:
        """The same for a baseline: nothing is saved or logged; linear models need no device."""
        return FitSession(None, "cpu", self.threads, self.seed)

    def load_fold(self, fold: Fold) -> Finished | None:
        """A fold that was finished before the run was cut off."""
        if self.folder is None:
            return None
        folder = _fold_folder(self.folder, fold)
        if not self.resumed:
            begin_again(folder)
        return stored(folder, len(fold.test))

    def begin(self, folds: Sequence[Fold], kept: Mapping[int, Finished | None]) -> Iterator[Fold]:
        """Iterate over the folds; those that are not kept are trained side by side where the session has a pool."""
        left = [fold for fold in folds if kept[fold.number] is None]
        if not self.pool:
            return self.listeners.over(folds, "folds")
        common = {"device": self.device, "threads": self.pool.threads, "engine": self.engine}
        orders = {fold.number: {"fold": fold.number, "profile": 0, **common} for fold in left}
        if left:
            orders[left[0].number]["profile"], self.profile = self.profile, 0
        longest = sorted(left, key=lambda fold: -len(fold.train))
        self.pool.begin([orders[fold.number] for fold in longest], self.listeners)
        return self.pool.over(folds)

    def beside(self, fold: Fold) -> Finished | None:
        """A fold that a process of the pool has trained; None where it is to be trained here.

        Raises what was raised there, and LeakError for what its audit found.
        """
        told = self.pool.result(fold.number) if self.pool else None
        if told is None or self.folder is None:
            return None
        if self.checks is not None and not self.checks.told(told):
            return None
        return stored(_fold_folder(self.folder, fold), len(fold.test))

    def save_fold(self, fold: Fold, found: Finished) -> Finished:
        """Keep what was found for a run that is cut off later."""
        if self.folder is not None:
            store(_fold_folder(self.folder, fold), found)
        return found

    def end_fold(self, fold: Fold, found: Finished, parts: list[OutOfSample]) -> None:
        """Say that a fold is scored; `parts`: the folds so far, this one included."""
        self.finished.append(found)
        self.listeners.fold_finished(FoldEnd(fold.number, len(parts), found.facts, lambda: self.traded(parts)))

    def context(self, fold: Fold, curves: Curves | None = None) -> FitContext:
        """What one fit is lent; what it logs goes into `curves` too."""
        tell = self.listeners
        kept: Curves = {} if curves is None else curves

        def log(name: str, value: float, step: int) -> None:
            tell.scalar(f"fold-{fold.number}/{name}", value, step)
            kept.setdefault(name, []).append([int(step), float(value)])

        tell.fold_started(fold.number)
        own = _fold_folder(self.folder, fold) if self.folder else None
        lend(own)
        profile, self.profile = self.profile, 0
        return FitContext(
            device=self.device,
            seed=(self.seed * 1000 + fold.number) % 2**31,  # what every library takes
            threads=self.threads,
            folder=own,
            progress=tell.note,
            log=log,
            report=lambda loss, step: tell.validated(fold.number, loss, step),
            alert=tell.alert,
            step=tell.step,
            sample=self._sample,
            profile=profile,
            engine=self.engine,
        )

    def _sample(self, epoch: int) -> None:
        """Tell of an epoch that is over, and of the memory that this process has in use by then."""
        self.listeners.epoch(epoch)
        if self.listeners.of:
            self.listeners.memory(memory_in_use(self.device), epoch)

    def save_model(
        self, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule
    ) -> dict[str, Any]:
        """Save the model of one fold; what run.json says of it."""
        if self.folder is None:
            return {}
        seen = ranges_of(panel, fold, self.common)
        keep_model(_fold_folder(self.folder, fold), panel, fold, model, scaler, rule, seen)
        return {
            "signals": rule.facts(), "train_rows": len(fold.train), "valid_rows": len(fold.valid),
            "test_rows": len(fold.test),
        }  # fmt: skip

    def explain(self, panel: Panel, fold: Fold, model: Strategy, score: Score) -> None:
        """Keep which features the model of one fold leans on."""
        if self.folder is not None and self.importance != "none":
            explain(self.importance, model, panel, fold, score, _fold_folder(self.folder, fold))

    def why(self, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rows: np.ndarray) -> None:
        """Keep what each feature adds to the scores of the last bar of `rows`, those with a signal."""
        if self.folder is not None:
            explain_last(model, Samples(panel, rows, scaler), _fold_folder(self.folder, fold))


def _fold_folder(folder: Path, fold: Fold) -> Path:
    """Where the model, the checkpoints and the scores of a fold lie."""
    return folder / f"fold-{fold.number}"


def ranges_of(panel: Panel, fold: Fold, common: Shared) -> Ranges:
    """What the fold's training rows look like, whoever learns from them."""
    return common.once(f"ranges-{fold.number}", lambda: Ranges.of(panel, fold.train, fold.valid))


def keep_model(
    folder: Path, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule,
    seen: Ranges | None = None,
) -> None:  # fmt: skip
    """Save what predicting again needs: weights, scaler, thresholds, and what the training rows looked like."""
    folder.mkdir(parents=True, exist_ok=True)
    lend(folder)
    model.save(folder)
    if scaler is not None:
        scaler.save(folder / "scaler.safetensors")
    write_json(folder / "signals.json", learned(rule))
    (seen or Ranges.of(panel, fold.train, fold.valid)).save(folder / "ranges.json")
    sign(folder)
