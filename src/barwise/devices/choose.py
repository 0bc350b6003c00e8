"""Which device a run trains on, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from barwise.devices.backend import BACKENDS, backend
from barwise.devices.choice import DeviceChoice, DeviceSettings, Probe
from barwise.errors import DeviceError

os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # torch reads it once, when it is imported


def resolve(settings: DeviceSettings, probe: Probe | None = None, needs_torch: bool = False) -> DeviceChoice:
    """Resolve the device once for a run; torch is asked only for strategies that need it.

    An accelerator that is not there means the CPU and a warning, or DeviceError where `strict`. With a `probe`, auto
    times training steps on each device that is there, and an accelerator must first agree with the CPU.
    """
    if not needs_torch:
        return _named(settings, missing_for_trees) if settings.name != "auto" else _trees()
    choice = _named(settings, lambda name: backend(name).missing()) if settings.name != "auto" else _fastest(probe)
    if choice.used != "cpu":
        if settings.deterministic:
            _deterministic()
        backend(choice.used).settings(settings.memory_fraction, settings.tf32)
        if settings.parity and probe is not None:
            choice = _agreed(choice, probe, settings)
    return choice


def _named(settings: DeviceSettings, missing: Callable[[str], str | None]) -> DeviceChoice:
    """The device asked for, or the CPU with the reason."""
    name = settings.name
    why = None if name == "cpu" else missing(name)
    if why is None:
        return DeviceChoice(name, name, "as asked")
    if settings.strict:
        raise DeviceError(f"device={name}: {why}; device.strict=true allows no other, device=cpu would run")
    return DeviceChoice(name, "cpu", why, f"device={name} was asked for, cpu is used: {why}")


def _trees() -> DeviceChoice:
    return DeviceChoice("auto", "cpu", "trees of this size are fastest on the CPU; device=cuda moves XGBoost")


def _fastest(probe: Probe | None) -> DeviceChoice:
    """The device with the shortest training step of this net; an accelerator that fails at it is out of the race."""
    there = [name for name, one in BACKENDS.items() if one.missing() is None]
    others = [name for name in BACKENDS if name not in there]
    if there == ["cpu"]:
        return DeviceChoice("auto", "cpu", f"neither {' nor '.join(others)} is there")
    if probe is None:
        return DeviceChoice("auto", there[-1], f"{there[-1]} is there")
    from barwise.devices.race import race

    return race(probe, there)


def _agreed(choice: DeviceChoice, probe: Probe, settings: DeviceSettings) -> DeviceChoice:
    """`choice` with the outcome of the comparison with the CPU; a disagreement means the CPU, or an error if strict."""
    from barwise.devices.guards import describe, expected
    from barwise.devices.parity import compare

    net, x, y = probe()
    try:
        parity = compare(net, x[:32], y[:32], backend(choice.used))
        outcome, facts = str(parity), parity.facts()
        good = parity.ok
    except Exception as error:
        if not expected(error):
            raise
        outcome, good = f"{choice.used} cannot run this net: {describe(error)}", False
        facts = {"device": choice.used, "ok": False, "what": outcome}
    facts = {**choice.facts, "parity": facts}
    if good:
        return DeviceChoice(choice.requested, choice.used, f"{choice.reason}; {outcome}", None, facts)
    if settings.strict:
        raise DeviceError(f"device={choice.requested}: {outcome}; device.strict=true allows no other")
    warning = f"device={choice.requested} was asked for, cpu is used: {outcome}"
    return DeviceChoice(choice.requested, "cpu", outcome, warning, facts)


def _deterministic() -> None:
    """The same run gives the same numbers; an operation that has no such form goes on, since torch then only warns.

    The CPU needs none of this: with the same number of threads it repeats itself.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    torch.use_deterministic_algorithms(True, warn_only=True)
    # A check for bugs, which costs a third of a step; torch's stubs do not know it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def missing_for_trees(name: str) -> str | None:
    """Why tree and linear strategies cannot use `name` here; None if XGBoost can."""
    if name == "mps":
        return "tree and linear strategies run on the CPU; no library of theirs uses MPS"
    try:
        import xgboost
    except Exception as error:  # its own kind where a Mac has no libomp
        return f"xgboost cannot be imported: {(str(error).strip().splitlines() or ['no reason given'])[0][:120]}"
    if not xgboost.build_info().get("USE_CUDA"):
        return "this build of XGBoost has no CUDA"
    driver = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()
    return None if driver else "there is no NVIDIA driver"
