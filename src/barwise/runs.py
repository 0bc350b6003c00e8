"""The run directory: its manifest, atomic writes and a finished run read back."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

VERSIONED = ("barwise", "hydra-core", "lightning", "torch", "xgboost", "lightgbm", "scikit-learn", "numpy", "pandas")


def write_text(path: Path, text: str) -> None:
    """Write `text` whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` whole or not at all: to a file beside `path`, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.write_bytes(data)
    os.replace(beside, path)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, keys in order, whole or not at all; NaN and infinity become null."""
    write_text(path, json.dumps(plain(value), indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_parquet(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write `columns` as one Parquet table, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), beside)
    os.replace(beside, path)


def plain(value: Any) -> Any:
    """`value` with numpy scalars, arrays, tuples and dates as plain JSON values; what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, (np.datetime64, datetime)):
        return str(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


@dataclass
class RunDirectory:
    """What one run writes, and the manifest run.json that says how it went."""

    path: Path
    manifest: dict[str, Any] = field(default_factory=dict)

    def start(self, **facts: Any) -> None:
        """Begin the manifest: status running, versions and revision."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.manifest.update(
            status="running", reason=None, started=datetime.now(UTC).isoformat(timespec="seconds"), command=sys.argv,
            versions=versions(), git=git_revision(), machine=machine(), seconds={}, peak_memory_mb={},
            warnings=[], alerts=[],
        )  # fmt: skip
        self.update(**facts)

    def resume(self, manifest: dict[str, Any]) -> None:
        """Go on with the manifest of a run that was cut off."""
        self.manifest.update(manifest)
        if manifest.get("git") != git_revision():
            self.warn("resumed at another revision than the run began with")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.update(status="running", reason=None, resumed=[*manifest.get("resumed", ()), now])

    def update(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.manifest.update(facts)
        write_json(self.path / "run.json", self.manifest)

    def warn(self, message: str) -> None:
        """Keep a warning for run.json and the terminal's summary."""
        if message not in self.manifest["warnings"]:
            self.manifest["warnings"].append(message)

    def alert(self, message: str) -> None:
        """Keep an alert in run.json at once: the run may not live to its end."""
        self.update(alerts=[*self.manifest.get("alerts", ()), message])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of the run; seconds add up when a stage comes again."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            seconds, memory = self.manifest["seconds"], self.manifest["peak_memory_mb"]
            seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - begin, 4)
            memory[name] = round(peak_memory_mb(), 1)

    def finish(self, status: str, reason: str | None = None) -> None:
        """Close the manifest as done, failed or refused."""
        if not self.manifest:
            self.start()
        self.update(status=status, reason=reason, finished=datetime.now(UTC).isoformat(timespec="seconds"))


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB; pages of mapped files count."""
    with contextlib.suppress(OSError, ValueError, StopIteration):  # getrusage adds the parent's, of before the start
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="ignore").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def versions() -> dict[str, str]:
    """Installed versions of what a result depends on; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Platform, processor and cores."""
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


def git_revision() -> dict[str, Any] | None:
    """Revision of barwise's own checkout and whether it is dirty; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
