"""The device and the threads of a run, settled once and recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from barwise.devices.choice import DeviceChoice, DeviceSettings
from barwise.devices.choose import resolve
from barwise.runs.directory import RunDirectory
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import Probed, needs_torch

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
    probe = (lambda: strategy.probe(n_features)) if isinstance(strategy, Probed) else None
    choice = resolve(DeviceSettings(**parts.device), probe, needs_torch(strategy))
    out.update(device={"requested": choice.requested, "used": choice.used, "reason": choice.reason, **choice.facts})
    if choice.warning:
        out.warn(choice.warning)
    return choice
