"""What barwise takes from a sweep as Hydra composed it: plain values of the sweep, and of each of its trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from barwise.sweeps.sweep import Sweep, foreign, objectives_of
from barwise.sweeps.trial import plain_config


def sweep_of(config: DictConfig) -> Sweep:
    """The sweep of a composed configuration, `hydra` included."""
    return Sweep(
        Path(str(config.hydra.sweep.dir)), str(config.sweep.name), objectives_of(config.objective), config.quiet,
        config.sweep.get("pages", 0), foreign(config.hydra.launcher), config.sweep.get("retry"),
        tuple(config.hydra.overrides.hydra),
    )  # fmt: skip


@dataclass(frozen=True)
class TrialConfigs:
    """Composes the trials of a sweep; `config` is the sweep's own."""

    config: DictConfig
    loader: ConfigLoader

    def __call__(self, number: int, overrides: list[str]) -> dict[str, Any]:
        """A trial's configuration as plain values, with its number and directory."""
        config = self.loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return plain_config(config)
