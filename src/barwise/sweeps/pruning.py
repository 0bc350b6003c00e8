"""Stopping a trial that does worse than the others did by now, after a fold or after an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.types import RunMode

from barwise.errors import ConfigError, Pruned, require
from barwise.listener import FoldEnd, Listener

if TYPE_CHECKING:
    from hydra.conf import HydraConf

_STEPS = ("fold", "epoch")
_NOT_SO_FAR = ("alpha", "beta", "t_stat", "sharpe_delayed")  # objectives that need the whole stretch
_STUDY = "hydra_plugins.barwise.study.StudySweeper"
_EPOCHS = 100_000  # more than a fold has: a step is the fold's number times this, plus the epoch


@dataclass(frozen=True)
class Pruning(Listener):
    """Reports to the trial's study; Pruned where its pruner says so.

    `by` fold: the objective over the folds so far, out of sample and net as at the end. `by` epoch: validation loss.
    """

    trial: Any
    by: str
    objective: str
    sign: float = 1.0

    @classmethod
    def of(cls, hydra: HydraConf, config: Mapping[str, Any]) -> Pruning | None:
        """For a trial of a study that prunes, from Hydra's configuration and the run's own; else None."""
        if hydra.mode != RunMode.MULTIRUN:
            return None
        sweeper = hydra.sweeper
        if sweeper.get("_target_") != _STUDY or sweeper.get("prune") is None:
            return None
        import optuna

        from barwise.sweeps.study import address, storage_at

        objective = str(config["objective"])
        refuse(sweeper.prune, [objective] if isinstance(config["objective"], str) else list(config["objective"]))
        storage = storage_at(address(sweeper.storage, Path(str(hydra.sweep.dir))))
        pruner = optuna.pruners.MedianPruner(
            n_startup_trials=sweeper.prune_after, n_warmup_steps=1 if sweeper.prune == "fold" else 0
        )
        study = optuna.load_study(study_name=str(config["sweep"]["name"]), storage=storage, pruner=pruner)
        number = int(str(hydra.sweep.subdir))
        trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
        sign = 1.0 if study.direction.name == "MINIMIZE" else -1.0
        return cls(optuna.trial.Trial(study, trial_id), sweeper.prune, objective, sign)

    def validated(self, fold: int, loss: float, step: int) -> None:
        """Report a fit's validation loss where epochs are compared."""
        if self.by == "epoch":
            self._report(self.sign * loss, fold * _EPOCHS + step)

    def fold_finished(self, fold: FoldEnd) -> None:
        """Report the objective over the folds so far where folds are compared."""
        if self.by != "fold":
            return
        value = fold.so_far()[self.objective]
        if value is not None and np.isfinite(value):
            self._report(float(value), fold.done - 1)

    def _report(self, value: float, step: int) -> None:
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise Pruned(f"pruned after {self.by} {step % _EPOCHS + 1}: below the median of the trials before it")


def refuse(by: str, objectives: Sequence[str]) -> None:
    """ConfigError where the study cannot prune so."""
    if by not in _STEPS:
        raise ConfigError(f"hydra.sweeper.prune={by}: must be null or one of {', '.join(_STEPS)}")
    require(len(objectives) == 1, f"hydra.sweeper.prune={by}: does not go with {len(objectives)} objectives")
    if by == "fold":
        require(objectives[0] not in _NOT_SO_FAR, f"hydra.sweeper.prune=fold: {objectives[0]} is known only at the end")
