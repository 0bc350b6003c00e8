"""What Hydra tells barwise of a sweep, whichever launcher runs it (hydra.callbacks in conf/config.yaml)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from barwise.errors import ConfigError
from barwise.sweeps import sweep


class SweepCallback(Callback):
    """Remembers the sweep for its end, and keeps leaderboard.csv up to date after each trial."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        from barwise.sweeps.composed import sweep_of

        with suppress(ConfigError):  # Hydra would warn of it; what composes the trials says it
            sweep.begin(sweep_of(config))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if config.hydra.mode != RunMode.MULTIRUN or not sweep.foreign(config.hydra.launcher):
            return
        from barwise.sweeps.leaderboard import Leaderboard

        Leaderboard(Path(str(config.hydra.sweep.dir)), sweep.objectives_of(config.objective)).update()
