"""The pool on a Ray cluster: on each node a supervisor forks trials from a warm server, as on one machine."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from barwise.console.settings import Number, Whole, check_fields
from barwise.errors import ConfigError
from barwise.sweeps.pool import Ended, Job, Pool


@dataclass(frozen=True)
class Submitted:
    """A trial that Ray was given, and what it answers with."""

    job: Job
    answer: Any


@dataclass
class RayPool:
    """Up to `n_jobs` trials at once, null for as many as the cluster has room for at `cpus` and `gpus` each.

    A trial whose node dies is run again on another; one that dies by itself is not. All nodes must see the sweep's
    directory. Use as a context manager: leaving it cancels what still runs.
    """

    address: str | None
    n_jobs: Annotated[int, Whole(1, 100_000)] | None
    cpus: Annotated[float, Number(0, 4096, above=True)]
    gpus: Annotated[float, Number(0, 1024)]
    timeout_s: Annotated[float, Number(0, 1e9, above=True)] | None
    running: dict[int, Submitted] = field(default_factory=dict)
    mine: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "hydra.launcher")

    def __enter__(self) -> RayPool:
        try:
            import ray
        except ImportError:
            raise ConfigError("hydra/launcher=ray needs Ray; pip install 'barwise[ray]'") from None
        self.ray = ray
        if not ray.is_initialized():
            options: dict[str, Any] = {"include_dashboard": False} if self.address is None else {}
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR, **options)
            except (ConnectionError, ValueError, RuntimeError) as error:
                told = str(error).splitlines()[0]
                raise ConfigError(f"hydra.launcher.address={self.address}: no cluster answers there ({told})") from None
            self.mine = True
        # a node that dies takes its trials along: Ray runs them again; what the trial does itself is an answer
        self.task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=-1)(_supervise)
        return self

    def __exit__(self, *_: object) -> None:
        for given in self.running.values():
            self.ray.cancel(given.answer, force=True)
        if self.mine:
            self.ray.shutdown()

    @property
    def slots(self) -> int:
        """How many trials fit into the cluster as it is now."""
        fit = int(self.ray.cluster_resources().get("CPU", 0) // self.cpus)
        return max(1, min(fit, self.n_jobs) if self.n_jobs else fit)

    @property
    def free(self) -> int:
        """How many trials more may start now."""
        return self.slots - len(self.running)

    def start(self, job: Job) -> None:
        """Hand a trial to the cluster."""
        given = dataclasses.asdict(job) | {"folder": str(job.folder)}
        answer = self.task.remote(given, self.timeout_s, max(1, int(self.cpus)), sys.path)
        self.running[job.number] = Submitted(job, answer)

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """Wait for `timeout` seconds at most; the trials that ended meanwhile."""
        if not self.running:
            return []
        numbers = {given.answer: number for number, given in self.running.items()}
        ready, _ = self.ray.wait(list(numbers), num_returns=1, timeout=timeout)
        ended = []
        for answer in ready:
            job = self.running.pop(numbers[answer]).job
            try:
                code, seconds, timed_out = self.ray.get(answer)
            except self.ray.exceptions.RayError:
                code, seconds, timed_out = -9, 0.0, False
            ended.append(Ended(job, code, seconds, timed_out))
        return ended


@cache
def _pool_of(threads: int) -> Pool:
    """The pool of this supervisor, kept from trial to trial with its warm servers."""
    return Pool(1, None, "spawn" if sys.platform == "darwin" else "fork", threads)


def _supervise(
    given: dict[str, Any], timeout_s: float | None, threads: int, path: list[str]
) -> tuple[int, float, bool]:
    """On a node: run one trial in a process of its own; exit code, seconds, and whether it was its time."""
    from pathlib import Path

    sys.path[:] = path
    pool = _pool_of(threads)
    pool.timeout_s = timeout_s
    pool.start(Job(**{**given, "folder": Path(given["folder"])}))
    while True:
        for ended in pool.wait(1.0):
            return ended.code, ended.seconds, ended.timed_out
        time.sleep(0)
