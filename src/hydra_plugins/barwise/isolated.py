"""hydra/launcher=isolated: each trial in a process of its own, some at a time; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from barwise.console.config import check_own_files
from barwise.console.secrets import check_secrets
from barwise.experiment.configuration import check_hydra, check_plain, unresolved, value_of

if TYPE_CHECKING:
    from barwise.sweeps.pool import Pool
    from barwise.sweeps.ray_pool import RayPool
    from barwise.sweeps.runner import TrialRunner


class IsolatedLauncher(Launcher):
    """The settings of conf/hydra/launcher/isolated.yaml; barwise.sweeps does the work."""

    def __init__(self, n_jobs: int | None, timeout_s: float | None, method: str, threads: int | None) -> None:
        self.settings = {"n_jobs": n_jobs, "timeout_s": timeout_s, "method": method, "threads": threads}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_secrets(unresolved(config))  # before the sweeper writes it
        check_own_files(config.hydra.runtime.config_sources)
        self.config, self.task_function, self.loader = config, task_function, hydra_context.config_loader
        hydra_context.config_loader = EachOnce(self.loader)  # the sweeper's, which only checks with it

    def isolation(self) -> TrialRunner:
        """What runs trials of this sweep; a context manager."""
        from barwise.sweeps.composed import TrialConfigs, sweep_of
        from barwise.sweeps.runner import TrialRunner

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        task, trials = self.task_function, TrialConfigs(self.config, self.loader)
        return TrialRunner(self.pool(), sweep_of(self.config), trials, (task.__module__, task.__qualname__))

    def pool(self) -> Pool | RayPool:
        """Where the trials run."""
        from barwise.sweeps.runner import local_pool

        return local_pool(**self.settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what this sweep has not done yet; one result a job, None for one that did not end well."""
        from barwise.sweeps.batch import run_batch

        with self.isolation() as isolation:
            found = run_batch(isolation, [list(words) for words in job_overrides], initial_job_idx)
        return [returned(words, value) for words, value in zip(job_overrides, found, strict=True)]


class EachOnce:
    """A config loader for the sweeper's check before it starts: it composes what is new in a trial, not each trial.

    A key has to be known, and each choice of a config group has to be there; another number for a known key needs no
    composing again. The trials themselves are composed by the loader that this one stands for.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.seen: set[str] = set()
        self.groups: dict[str, bool] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """As the loader does; the sweep's own configuration where nothing in the overrides is new."""
        new = {self.mark(word) for word in sweep_overrides} - self.seen
        if not new:
            return master_config
        config = self.loader.load_sweep_config(master_config, sweep_overrides)
        check_hydra(config.hydra)
        raw = {key: value for key, value in unresolved(config).items() if key != "hydra"}  # as a trial has it
        check_plain(raw, partial(value_of, config))
        self.seen |= new
        return config

    def mark(self, word: str) -> str:
        """What has to be composed once: the whole override of a group's choice, else its key."""
        key = word.partition("=")[0]
        group = key.lstrip("+~").partition("@")[0]
        if group not in self.groups:
            self.groups[group] = bool(self.loader.get_group_options(group))
        return word if self.groups[group] else key


def returned(overrides: Sequence[str], value: Any) -> JobReturn:
    """Small on purpose: a sweep keeps as many of these as it has trials. The sweep's end says which failed."""
    result = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    result.return_value = value
    return result
