"""What this machine can do, measured now: versions, devices, parity and speed of every shipped net, what is missing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from barwise.devices.guards import describe, expected

N_FEATURES = 32  # as the default feature set has
NEVER_RUN = "barwise was never run on a real MPS device by its makers: there it is tested by a fake alone"
PACKAGES = (
    "barwise", "torch", "lightning", "xgboost", "lightgbm", "scikit-learn", "TA-Lib", "numpy", "pandas", "pyarrow",
    "hydra-core", "omegaconf", "tensorboard",
)  # fmt: skip
EXTRAS = {
    "yfinance": "yfinance",
    "optuna": "optuna",
    "plotly": "report",
    "clarabel": "optimised",
    "ray": "ray",
    "submitit": "submitit",
    "psycopg": "postgresql",
}
SETTINGS = ("PYTORCH_ENABLE_MPS_FALLBACK", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")


@dataclass
class Checkup:
    """Rows of (what, value) by section, and the devices' table."""

    machine: list[tuple[str, str]] = field(default_factory=list)
    versions: list[tuple[str, str]] = field(default_factory=list)
    devices: list[tuple[str, str]] = field(default_factory=list)
    nets: list[dict[str, Any]] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether every device that is there agrees with the CPU on every net."""
        return all(row["ok"] for row in self.nets)


def examine() -> Checkup:
    """Ask everything once; a device that fails is a row, not an error."""
    from barwise.devices.backend import BACKENDS, present
    from barwise.devices.choose import missing_for_trees

    found = Checkup(machine=machine(), versions=versions(), settings=settings(), missing=missing())
    for name, one in BACKENDS.items():
        found.devices.append((name, one.missing() or "there"))
    found.devices += [(f"xgboost on {name}", missing_for_trees(name) or "there") for name in ("cuda",)]
    found.devices.append(("TA-Lib", talib_works()))
    found.nets = [row for name, probe in shipped_nets() for row in rows_of(name, probe, present())]
    if "mps" not in present():
        found.notes.append(NEVER_RUN)
    return found


def shipped_nets() -> list[tuple[str, Any]]:
    """Each net of `conf/strategy/net` as `lstm` trains it by default: name, and what makes it with one batch."""
    from hydra.utils import instantiate

    from barwise.console.arguments import compose
    from barwise.console.config import conf_dir

    names = sorted(path.stem for path in Path(conf_dir(), "strategy", "net").glob("*.yaml"))
    chosen = [(name, ["strategy=lstm", f"strategy/net={name}"]) for name in names] or [("lstm", ["strategy=lstm"])]
    return [
        (name, lambda words=words: instantiate(compose(words).strategy, _convert_="all").probe(N_FEATURES))
        for name, words in chosen
    ]


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
    return [(name, installed(name) or "missing: pip install barwise") for name in PACKAGES]


def installed(name: str) -> str | None:
    """The version of a package, None where it is not installed; nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def settings() -> list[tuple[str, str]]:
    """Environment settings that decide speed and numbers, and torch's threads."""
    import torch

    rows = [(name, os.environ.get(name, "not set")) for name in SETTINGS]
    return [*rows, ("torch threads", str(torch.get_num_threads()))]


def missing() -> list[tuple[str, str]]:
    """Optional packages that are not there, and how to get them."""
    return [(name, f"pip install 'barwise[{extra}]'") for name, extra in EXTRAS.items() if find_spec(name) is None]


def talib_works() -> str:
    """TA-Lib's C library answers, and rightly: the mean of 1, 2, 3 is 2."""
    import numpy as np
    import talib

    answer = talib.SMA(np.array([1.0, 2.0, 3.0]), timeperiod=3)[-1]
    return f"there, {len(talib.get_functions())} functions" if answer == 2.0 else f"broken: SMA of 1, 2, 3 is {answer}"
