"""hydra/launcher=isolated: each trial in a process of its own, some at a time; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from barwise.sweeps.isolation import Isolation
    from barwise.sweeps.pool import Pool
    from barwise.sweeps.ray_pool import RayPool


class IsolatedLauncher(Launcher):
    """The settings of conf/hydra/launcher/isolated.yaml; barwise.sweeps does the work."""

    def __init__(self, n_jobs: int | None, timeout_s: float | None, method: str, threads: int | None) -> None:
        self.settings = {"n_jobs": n_jobs, "timeout_s": timeout_s, "method": method, "threads": threads}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def isolation(self) -> Isolation:
        """What runs trials of this sweep; a context manager."""
        from barwise.sweeps.isolation import Isolation

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return Isolation.of(self.config, self.hydra_context.config_loader, self.task_function, self.pool())

    def pool(self) -> Pool | RayPool:
        """Where the trials run."""
        from barwise.sweeps.isolation import local_pool

        return local_pool(**self.settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what this sweep has not done yet; one result a job, None for one that did not end well."""
        from barwise.sweeps.batch import run_batch

        with self.isolation() as isolation:
            found = run_batch(isolation, [list(words) for words in job_overrides], initial_job_idx)
        return [returned(words, value) for words, value in zip(job_overrides, found, strict=True)]


def returned(overrides: Sequence[str], value: Any) -> JobReturn:
    """Small on purpose: a sweep keeps as many of these as it has trials. The sweep's end says which failed."""
    result = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    result.return_value = value
    return result
