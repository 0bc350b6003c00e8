"""What a machine is and can do, measured now: versions, parity and speed of a net, what is missing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from barwise.devices.guards import describe, expected

_PACKAGES = (
    "barwise", "torch", "lightning", "xgboost", "lightgbm", "scikit-learn", "TA-Lib", "numpy", "pandas", "pyarrow",
    "hydra-core", "omegaconf", "tensorboard",
)  # fmt: skip
_EXTRAS = {
    "tensorflow": "tensorflow",
    "jax": "jax",
    "mlx": "mlx",
    "yfinance": "yfinance",
    "optuna": "optuna",
    "plotly": "report",
    "clarabel": "optimised",
    "ray": "ray",
    "submitit": "submitit",
    "psycopg": "postgresql",
}
_SETTINGS = ("PYTORCH_ENABLE_MPS_FALLBACK", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")


def rows_of(name: str, probe: Any, devices: list[str]) -> list[dict[str, Any]]:
    """One row a device: agrees with the CPU or not, and milliseconds of a training step."""
    from barwise.devices.backend import backend
    from barwise.devices.parity import compare
    from barwise.devices.race import step_seconds

    rows = []
    for device in devices:
        net, x, y = probe()
        row: dict[str, Any] = {"net": name, "device": device, "ok": True, "parity": "the reference", "step_ms": None}
        try:
            if device != "cpu":
                backend(device).settings(None, tf32=False)  # as a run has it, else the layers differ by its rounding
                outcome = compare(net, x[:32], y[:32], backend(device))
                row.update(ok=outcome.ok, parity=str(outcome))
            row["step_ms"] = 1e3 * step_seconds(net, x, y, backend(device))
            row["rows_a_second"] = len(x) / row["step_ms"] * 1e3
        except Exception as error:
            if not expected(error):
                raise
            row.update(ok=False, parity=describe(error))
        rows.append(row)
    return rows


def machine() -> list[tuple[str, str]]:
    """System, processor, cores, memory, Python."""
    import psutil

    memory = psutil.virtual_memory()
    return [
        ("system", platform.platform()),
        ("processor", platform.processor() or platform.machine()),
        ("cores", f"{os.cpu_count()}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else '?'} of "
                  "them for this process"),
        ("memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} free"),
        ("Python", platform.python_version()),
    ]  # fmt: skip


def versions() -> list[tuple[str, str]]:
    """Installed versions of what results depend on."""
    return [(name, installed(name) or "missing: pip install barwise") for name in _PACKAGES]


def installed(name: str) -> str | None:
    """The version of a package, None where it is not installed; nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def settings() -> list[tuple[str, str]]:
    """Environment settings that decide speed and numbers, and torch's threads."""
    import torch

    rows = [(name, os.environ.get(name, "not set")) for name in _SETTINGS]
    return [*rows, ("torch threads", str(torch.get_num_threads()))]


def missing() -> list[tuple[str, str]]:
    """Optional packages that are not there, and how to get them."""
    return [(name, f"pip install 'barwise[{extra}]'") for name, extra in _EXTRAS.items() if find_spec(name) is None]


def talib_works() -> str:
    """TA-Lib's C library answers, and rightly: the mean of 1, 2, 3 is 2."""
    import numpy as np
    import talib

    answer = talib.SMA(np.array([1.0, 2.0, 3.0]), timeperiod=3)[-1]
    return f"there, {len(talib.get_functions())} functions" if answer == 2.0 else f"broken: SMA of 1, 2, 3 is {answer}"
