"""hydra/sweeper=study: grid, random or TPE search by Optuna, with a storage that lasts and can be shared."""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

NAMES = (
    "sampler", "n_trials", "startup", "seed", "directions", "prune", "prune_after", "storage", "batch", "search",
)  # fmt: skip


class StudySweeper(Sweeper):
    """The settings of conf/hydra/sweeper/study.yaml; barwise.sweeps does the work."""

    def __init__(self, **settings: Any) -> None:
        from barwise.console.settings import Whole, check_names, check_value

        check_names("hydra.sweeper", settings, NAMES)
        for name, least in (("prune_after", 0), ("batch", 1)):
            check_value(f"hydra.sweeper.{name}", settings[name], Whole(least, 10**6))
        self.settings = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the study to its number of trials; the sweep's end says which failed."""
        from barwise.sweeps.study_run import run_study

        run_study(self, arguments)
