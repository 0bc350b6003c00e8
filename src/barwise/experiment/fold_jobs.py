"""How many folds of a run are trained side by side, settled once and recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from barwise.audit.own import is_users
from barwise.data.memmap import free_memory, on_disk
from barwise.devices.choice import DeviceChoice
from barwise.devices.cores import cores
from barwise.errors import ConfigError, require
from barwise.experiment.fold_pool import FoldPool
from barwise.features.parallel import threads_beside
from barwise.runs.directory import RunDirectory
from barwise.samples import Panel
from barwise.strategies.hooks import LIBRARIES, needs_torch
from barwise.validation.folds import Fold

if TYPE_CHECKING:
    from barwise.experiment.parts import Parts


def folds_at_once(parts: Parts, panel: Panel, folds: Sequence[Fold], threads: int) -> tuple[int, int]:
    """How many folds are trained side by side, and the threads of each.

    With fold_jobs=auto the cores are divided among the folds of nets. Trees stay in line: XGBoost's folds on the sample
    took 1.2 times the CPU seconds side by side, and no less time. ConfigError for a number that cannot be had.
    """
    asked, share = parts.fold_jobs, _default_cores()
    if asked == 1 or len(folds) < 2 or (asked == "auto" and not needs_torch(parts.strategy)):
        return 1, threads
    why = _no_pool(parts, panel)
    if asked != "auto" and why is not None:
        raise ConfigError(f"fold_jobs={asked}: {why}; leave fold_jobs=auto, or set 1")
    fixed = isinstance(parts.threads, int) or needs_torch(parts.strategy)
    most = min(len(folds), share // threads if fixed else share) if asked == "auto" else min(asked, len(folds))
    if why is not None or most < 2:
        return 1, threads
    if asked == "auto" and 3 * most * _fold_bytes(panel, folds) > free_memory():
        return 1, threads
    _import_libraries()
    return most, threads if fixed else max(1, share // most)


def _default_cores() -> int:
    """All cores that the process may use, or its share of them where OMP_NUM_THREADS says so, as in a trial."""
    share = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores(), int(share)) if share.isdigit() else cores())


def _no_pool(parts: Parts, panel: Panel) -> str | None:
    """Why no fold can be trained in a process of its own; None where it can."""
    if sys.platform != "linux":
        return "processes are forked on Linux alone"
    if on_disk(panel.X):
        return "the matrix is larger than memory"
    if is_users(parts.strategy) or is_users(parts.signals):
        return "a strategy or signal rule of your own is audited in the process of the run"
    if beside := threads_beside():
        return (
            f"other threads run beside ({', '.join(beside[:3])}), and a fork may catch them in the middle of something"
        )
    return None


def _fold_bytes(panel: Panel, folds: Sequence[Fold]) -> int:
    """Bytes of the training rows of the largest fold."""
    return max(len(fold.train) for fold in folds) * int(panel.X.shape[1]) * int(panel.X.itemsize)


def _import_libraries() -> None:
    """Import what the strategies at hand import when they fit, once, before processes are forked from this one."""
    for module, library in LIBRARIES.items():
        if module in sys.modules:
            import_module(library)
    import_module("pyarrow.parquet")  # what explains a model is written by it


def settle_pool(pool: FoldPool, parts: Parts, device: DeviceChoice, threads: int) -> None:
    """Let go of the processes where an accelerator or another engine trains, or where threads that were measured fill
    the cores; ConfigError where the processes were asked for by number."""
    if not pool:
        return
    where = device.used if device.used != "cpu" else device.engine or "torch"
    if needs_torch(parts.strategy):
        pool.threads = threads
    full = parts.fold_jobs == "auto" and len(pool) * pool.threads > _default_cores()
    if where == "torch" and not full:
        return
    require(
        parts.fold_jobs == "auto",
        f"fold_jobs={parts.fold_jobs}: folds are trained side by side by torch and on the CPU alone, and {where} was"
        " chosen; set device=cpu, or leave fold_jobs=auto",
    )
    pool.close()


def note_pool(pool: FoldPool, out: RunDirectory) -> None:
    """Put into run.json how many folds were trained at once."""
    if pool.began:
        peak = round(sum(pool.peaks.values()), 1)
        out.update(fold_jobs={"processes": pool.began, "threads": pool.threads, "peak_memory_mb": peak})
