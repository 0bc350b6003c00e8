"""What a run lends to each fit: device, threads, seed, logs; and what it keeps of each fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.console.progress import Progress
from barwise.devices.monitor import RunMonitor
from barwise.experiment.checkpoint import Finished, begin_again, store, stored
from barwise.experiment.importance import Score, explain
from barwise.experiment.pruner import Pruner
from barwise.experiment.ranges import Ranges, learned
from barwise.runs.directory import write_json
from barwise.runs.tensorboard import Board
from barwise.safety.signature import sign
from barwise.samples import Panel, Scaler
from barwise.signals import SignalRule
from barwise.strategies.base import FitContext, Strategy, log_nowhere
from barwise.validation.folds import Fold

if TYPE_CHECKING:
    from barwise.audit.in_run import FoldAudit


@dataclass
class FitSession:
    """What the run lends to each fit, and what it hears back."""

    folder: Path | None
    device: str
    threads: int
    seed: int
    board: Board | None
    progress: Progress
    watcher: RunMonitor | None = None
    shuffle_labels: bool = False
    facts: list[dict[str, Any]] = field(default_factory=list)
    resumed: bool = False
    pruning: Pruner | None = None
    importance: str = "none"
    checks: FoldAudit | None = None

    def silent(self) -> FitSession:
        """The same for a baseline: nothing is saved or logged; linear models need no device."""
        return FitSession(None, "cpu", self.threads, self.seed, None, Progress(quiet=True))

    def load_scores(self, fold: Fold) -> tuple[np.ndarray, np.ndarray] | None:
        """Score and signal of a fold that was finished before the run was cut off."""
        if self.folder is None:
            return None
        folder = self.folder / f"fold-{fold.number}"
        if not self.resumed:
            begin_again(folder)
        found = stored(folder, len(fold.test))
        if found is None:
            return None
        self.facts.append(found.facts)
        if self.board:
            self.board.curves[f"fold-{fold.number}"] = found.curves
        return found.score, found.signal

    def save_scores(self, fold: Fold, score: np.ndarray, signal: np.ndarray, facts: Mapping[str, Any]) -> None:
        """Keep what was found for a run that is cut off later."""
        if self.folder is None:
            return
        self.facts[-1].update(facts)
        curves = self.board.curves.get(f"fold-{fold.number}", {}) if self.board else {}
        store(self.folder / f"fold-{fold.number}", Finished(score, signal, self.facts[-1], curves))

    def context(self, fold: Fold) -> FitContext:
        self.facts.append({"fold": fold.number})
        folder = self.folder / f"fold-{fold.number}" if self.folder else None
        log = self.board.fold_logger(fold.number) if self.board else log_nowhere
        hears = self.watcher.begin_fold(fold.number) if self.watcher else {}
        return FitContext(
            device=self.device,
            seed=(self.seed * 1000 + fold.number) % 2**31,  # what every library takes
            threads=self.threads,
            folder=folder,
            progress=self.progress.note,
            facts=self.facts[-1],
            log=log,
            report=self.pruning.epoch(fold.number) if self.pruning else None,
            **hears,
        )

    def save_model(self, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule) -> None:
        """Save the model of one fold."""
        if self.folder is None:
            return
        keep_model(self.folder / f"fold-{fold.number}", panel, fold, model, scaler, rule)
        self.facts[-1].update(
            signals=rule.facts(), train_rows=len(fold.train), valid_rows=len(fold.valid), test_rows=len(fold.test)
        )

    def explain(self, panel: Panel, fold: Fold, model: Strategy, score: Score) -> None:
        """Keep which features the model of one fold leans on."""
        if self.folder is not None and self.importance != "none":
            explain(self.importance, model, panel, fold, score, self.folder / f"fold-{fold.number}")


def keep_model(
    folder: Path, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule
) -> None:
    """Save what predicting again needs: weights, scaler, thresholds, and what the training rows looked like."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)
    if scaler is not None:
        scaler.save(folder / "scaler.safetensors")
    write_json(folder / "signals.json", learned(rule))
    Ranges.of(panel, fold.train, fold.valid).save(folder / "ranges.json")
    sign(folder)
