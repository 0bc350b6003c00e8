"""The device and the threads of a run, settled once and recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from barwise.devices.choice import DeviceChoice, DeviceSettings
from barwise.devices.choose import resolve
from barwise.runs.directory import RunDirectory
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import Engined, Probed, needs_torch

if TYPE_CHECKING:
    from barwise.experiment.parts import Parts


def default_threads(strategy: Strategy) -> int:
    """One for nets (two on busy cores were seen ten times slower for small batches), all cores for trees.

    OMP_NUM_THREADS, which a sweep sets to a trial's share of the cores, is heeded.
    """
    if needs_torch(strategy):
        return 1
    share = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(share)) if share.isdigit() else os.cpu_count() or 1


def threads_of(parts: Parts) -> int:
    """The threads asked for; the default of the strategy where none are, or where they are to be measured."""
    return parts.threads if isinstance(parts.threads, int) else default_threads(parts.strategy)


def settle_threads(parts: Parts, n_features: int, threads: int, out: RunDirectory) -> int:
    """`threads`, or with threads=auto those that train the net fastest here; recorded, and kept when a run goes on."""
    strategy = parts.strategy
    if parts.threads == "auto" and "threads" not in out.manifest and isinstance(strategy, Probed):
        from barwise.devices.threads import fastest

        threads, facts = fastest(lambda: strategy.probe(n_features))
        out.update(threads_measured=facts)
    out.update(threads=threads)
    return threads


def choose_device(parts: Parts, n_features: int, out: RunDirectory) -> DeviceChoice:
    """Resolve the device once, with one batch of the net that is to run on it; a fallback warns."""
    strategy = parts.strategy
    settings = DeviceSettings(**parts.device)
    if isinstance(strategy, Engined):
        choice = strategy.settle_engine(settings, n_features, threads_of(parts))
    else:
        probe = (lambda: strategy.probe(n_features)) if isinstance(strategy, Probed) else None
        choice = resolve(settings, probe, needs_torch(strategy))
    if choice.engine is not None:
        _note_engine(strategy, choice, out)
    out.update(device={"requested": choice.requested, "used": choice.used, "reason": choice.reason, **choice.facts})
    if choice.warning:
        out.warn(choice.warning)
    return choice


def _note_engine(strategy: Any, choice: DeviceChoice, out: RunDirectory) -> None:
    """Which library was asked for and which trains, in run.json."""
    from barwise.strategies.engines.known import ENGINES

    versions = ENGINES[strategy.engine].versions()
    out.update(engine={"requested": strategy.engine, "used": choice.engine, "versions": versions})


def watched_device(choice: DeviceChoice) -> str:
    """The device whose memory torch can tell; the CPU where the engine alone knows it."""
    if choice.used == "cpu" or choice.engine is None:
        return choice.used
    from barwise.devices.backend import backend

    return choice.used if backend(choice.used).missing() is None else "cpu"


def with_recorded_engine(strategy: Any, manifest: Mapping[str, Any]) -> None:
    """Set the engine that the run was trained by: torch, where the one that was asked for could not."""
    used = (manifest.get("engine") or {}).get("used")
    if isinstance(strategy, Engined) and used == "torch" and hasattr(strategy, "engine"):
        strategy.engine = used
