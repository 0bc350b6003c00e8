"""Which device a run trains on, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from barwise.errors import ConfigError, DeviceError

NAMES = ("auto", "mps", "cuda", "cpu")
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # torch reads it once, when it is imported


@dataclass(frozen=True)
class DeviceChoice:
    """What was asked for, what is used and why; `warning` where the two differ."""

    requested: str
    used: str
    reason: str
    warning: str | None = None


def resolve(name: str, needs_torch: bool, strict: bool = False) -> DeviceChoice:
    """Resolve `device=name` once for a run; for strategies without torch, torch is not asked.

    An accelerator that is not there means the CPU and a warning, or DeviceError where `strict`.
    """
    if name not in NAMES:
        raise ConfigError(f"device={name}: must be one of {', '.join(NAMES)}")
    missing = missing_for_nets if needs_torch else missing_for_trees
    if name == "cpu":
        return DeviceChoice(name, "cpu", "as asked")
    if name == "auto":
        return _automatic(missing, needs_torch)
    why = missing(name)
    if why is None:
        return DeviceChoice(name, name, "as asked")
    if strict:
        raise DeviceError(f"device={name}: {why}; device.strict=true allows no other, device=cpu would run")
    return DeviceChoice(name, "cpu", why, f"device={name} was asked for, cpu is used: {why}")


def _automatic(missing: Callable[[str], str | None], needs_torch: bool) -> DeviceChoice:
    if not needs_torch:
        return DeviceChoice("auto", "cpu", "trees of this size are fastest on the CPU; device=cuda moves XGBoost")
    for name in ("cuda", "mps"):
        if missing(name) is None:
            return DeviceChoice("auto", name, f"{name} is there")
    return DeviceChoice("auto", "cpu", "neither cuda nor mps is there")


def missing_for_nets(name: str) -> str | None:
    """Why torch cannot use `name` here; None if it can."""
    import torch

    if name == "cuda":
        return None if torch.cuda.is_available() else "torch finds no CUDA device"
    if not torch.backends.mps.is_built():
        return "this build of torch has no MPS; it is in the macOS builds for Apple silicon"
    return None if torch.backends.mps.is_available() else "torch finds no MPS device"


def missing_for_trees(name: str) -> str | None:
    """Why tree and linear strategies cannot use `name` here; None if XGBoost can."""
    if name == "mps":
        return "tree and linear strategies run on the CPU; no library of theirs uses MPS"
    import xgboost

    if not xgboost.build_info().get("USE_CUDA"):
        return "this build of XGBoost has no CUDA"
    driver = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()
    return None if driver else "there is no NVIDIA driver"
