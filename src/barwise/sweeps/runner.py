"""The loop of a sweep whose trials run in processes of their own: start, wait, settle, report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from barwise.console.printing import printable
from barwise.console.settings import Number, OneOf, Whole, checked
from barwise.devices.cores import cores
from barwise.experiment.shared import key_of
from barwise.strategies.hooks import LIBRARIES
from barwise.sweeps.claims import state_of
from barwise.sweeps.leaderboard import Leaderboard
from barwise.sweeps.outcome import end_run, settle, values_of
from barwise.sweeps.pool import METHODS, Ended, Job, Pool
from barwise.sweeps.progress import SweepProgress
from barwise.sweeps.ray_pool import RayPool
from barwise.sweeps.sweep import Sweep

_ALWAYS = (  # what every trial imports while it runs; strategies and the rest come from the configuration
    "barwise.commands.train", "barwise.experiment.run", "barwise.experiment.recipe", "barwise.report.terminal",
    "barwise.evidence.verdict", "barwise.report.dashboard:rehearse", "barwise.report.figures", "barwise.report.html",
    "barwise.safety.tensors", "barwise.runs.tensorboard:writer_class", "barwise.sweeps.callback",
    "pyarrow.parquet", "pyarrow.dataset", "barwise.backtest.metrics:ratios", "tensorboardX.proto.api_pb2",
    "tensorboardX.proto.plugin_hparams_pb2", "google.protobuf.struct_pb2",
    "hydra._internal.logging_config", "omegaconf._impl", "rich._emoji_codes",
)  # fmt: skip
_MOST = 4  # trials at once unless n_jobs says otherwise: leaves memory, and one accelerator is shared by all


@dataclass(frozen=True)
class Trial:
    """A trial to run: its number in the sweep, its overrides, and what of them to show."""

    number: int
    overrides: tuple[str, ...]
    shown: str = ""


class Source(Protocol):
    """Where trials come from: a grid that was claimed, or a study that proposes them."""

    def next(self) -> Trial | None:
        """A trial to start now; None if there is none for the moment."""

    def exhausted(self) -> bool:
        """Whether no trial will come any more, once those that run have ended."""

    def ended(self, trial: Trial, status: str, values: list[float] | None) -> None:
        """Hear how a trial ended; `values` are its objectives, None where they are undefined."""

    def say_alive(self) -> None:
        """Called now and then while trials run."""


@runtime_checkable
class Isolating(Protocol):
    """A launcher that hands out what runs its trials, so that each can start when another has ended."""

    def isolation(self) -> TrialRunner:
        """What runs the sweep's trials; a context manager."""


@dataclass
class TrialRunner:
    """One sweep's pool and what a trial needs to start in it; a context manager.

    `compose` gives a trial's configuration, by its number and its overrides; `task`: module and function that run it.
    """

    pool: Pool | RayPool
    sweep: Sweep
    compose: Callable[[int, list[str]], dict[str, Any]]
    task: tuple[str, str]

    def __enter__(self) -> TrialRunner:
        self.pool.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        jobs = [x.job for x in self.pool.running.values()]
        self.pool.__exit__()
        for job in jobs:
            if state_of(job.folder).get("status", "running") != "running":
                continue
            with suppress(OSError):  # a full disk is told of by what ended the sweep
                end_run(job, "interrupted; the same command with this sweep.name runs it again", interrupted=True)

    def work(self, source: Source, watch: SweepProgress) -> None:
        """Run trials until the source has no more; what one of them does ends none of the others."""
        board = Leaderboard(self.sweep.folder, self.sweep.objectives)
        trials: dict[int, Trial] = {}
        said = time.monotonic()
        due = said  # when the leaderboard is read again: it takes a tenth of the time at most
        while True:
            while self.pool.free and (trial := source.next()):
                trials[trial.number] = trial
                self.pool.start(self.job(trial))
            if not self.pool.running and source.exhausted():
                board.update()
                return
            if not self.pool.running:
                time.sleep(0.2)  # the rest is with other processes
            for ended in self.pool.wait(timeout=1.0):
                self._settle(ended, trials.pop(ended.job.number), source, watch)
                if (began := time.monotonic()) >= due:
                    board.update()
                    due = time.monotonic() + 9 * (time.monotonic() - began)
            if time.monotonic() - said > 10:
                source.say_alive()
                said = time.monotonic()

    def _settle(self, ended: Ended, trial: Trial, source: Source, watch: SweepProgress) -> None:
        status = settle(ended)
        values = values_of(ended.job.folder, self.sweep.objectives) if status == "done" else None
        source.ended(trial, status, values)
        told = [f"{name} {value:.3g}" for name, value in zip(self.sweep.objectives, values or (), strict=False)]
        if not told:
            reason = state_of(ended.job.folder).get("reason") or f"{self.sweep.objectives[0]} is undefined"
            told = [printable(str(reason), 200)]
        watch.ended(trial.number, status, told, ended.seconds, trial.shown)

    def job(self, trial: Trial) -> Job:
        """The trial composed, with the number and directory it has in the sweep."""
        plain = self.compose(trial.number, list(trial.overrides))
        folder = Path(str(plain["hydra"]["sweep"]["dir"])) / str(plain["hydra"]["sweep"]["subdir"])
        kind = _module_of(str((plain.get("strategy") or {}).get("_target_") or ""))
        modules = sorted({_module_of(t) for t in _targets({k: v for k, v in plain.items() if k != "hydra"})} - {""})
        libraries = tuple(LIBRARIES[m] for m in modules if m in LIBRARIES)
        imports = (*_ALWAYS, *modules, *libraries)
        return Job(trial.number, folder.absolute(), plain, self.task, kind, imports, key_of(plain) or "")


@checked("hydra.launcher")
def local_pool(
    n_jobs: Annotated[int, Whole(1, 4096)] | None,
    timeout_s: Annotated[float, Number(0, 1e9, above=True)] | None,
    method: Annotated[str, OneOf(("auto", *METHODS))],
    threads: Annotated[int, Whole(1, 4096)] | None,
) -> Pool:
    """This machine's pool from the launcher's settings; null ones are chosen here."""
    if method == "auto":  # macOS frameworks start threads, and a fork takes none of them along
        method = "spawn" if sys.platform == "darwin" else "fork"
    n_jobs = min(cores(), _MOST) if n_jobs is None else n_jobs
    return Pool(n_jobs, timeout_s, method, threads or max(1, cores() // max(1, n_jobs)))


def _module_of(target: str) -> str:
    """The module that a `_target_` is in, by its name."""
    return target.rpartition(".")[0]


def _targets(node: Any) -> list[str]:
    """Every `_target_` in a plain configuration."""
    if isinstance(node, Mapping):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [t for value in node.values() for t in _targets(value)]
    return [t for value in node for t in _targets(value)] if isinstance(node, list) else []
