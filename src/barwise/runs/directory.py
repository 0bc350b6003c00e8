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
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.messages import one_line
from barwise.console.printing import printable
from barwise.console.shortages import storage_number

_ENDINGS = {3: "refused", 5: "pruned"}  # by exit code; failed otherwise
_VERSIONED = ("barwise", "hydra-core", "lightning", "torch", "xgboost", "lightgbm", "scikit-learn", "numpy", "pandas")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file beside `path` to write to; renamed over it at the end, gone where writing it failed.

    Its name is random and it is made anew, so that nobody can have laid a link there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    beside = Path(name)
    try:
        os.fchmod(handle, 0o666 & ~_umask())
        os.close(handle)
        yield beside
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        number = storage_number(error)
        if number is not None:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def _umask() -> int:
    """What the process takes from the rights of a new file; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` whole or not at all; what UTF-8 has no sign for, as half of a surrogate pair, is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` whole or not at all: to a file beside `path`, then renamed over it."""
    with replacing(path) as beside:
        beside.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, keys in order, whole or not at all; NaN and infinity become null."""
    write_text(path, json.dumps(plain(value), indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_parquet(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write `columns` as one Parquet table, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    with replacing(path) as beside:
        pq.write_table(table, beside)


def plain(value: Any) -> Any:
    """`value` with numpy scalars, arrays, tuples and dates as plain JSON values; what is not finite is None."""
    if value is None or type(value) in (str, int, bool):
        return value
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
    """What one run writes, and the manifest run.json that says how it went. `on_stage` hears of each stage that begins,
    and None when it is over."""

    path: Path
    manifest: dict[str, Any] = field(default_factory=dict)
    on_stage: Callable[[str | None], None] = lambda name: None

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
        self.on_stage(name)
        try:
            yield
        finally:
            self.on_stage(None)
            seconds, memory = self.manifest["seconds"], self.manifest["peak_memory_mb"]
            seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - begin, 4)
            memory[name] = round(peak_memory_mb(), 1)

    def finish(self, status: str, reason: str | None = None) -> None:
        """Close the manifest as done, failed or refused; `reason` is kept as one line. On a full disk too."""
        if not self.manifest:
            self.start()
        said = None if reason is None else printable(reason)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        ending: dict[str, Any] = {"status": status, "reason": said, "finished": at}
        try:
            self.update(**ending)
        except OSError:
            if "interrupted" in self.manifest:
                ending["interrupted"] = self.manifest["interrupted"]
            if not _overwrite(self.path / "run.json", ending):
                raise

    @contextmanager
    def ending(self, closing: Callable[[str, BaseException], None] | None = None) -> Iterator[None]:
        """Do what is inside, then say in run.json how it ended: done, or failed, refused or pruned and why.

        `closing(status, error)` is called after an error was filed; what goes wrong in it, or in filing, hides nothing.
        """
        try:
            yield
        except BaseException as error:
            code, line = one_line(error)
            status = _ENDINGS.get(code, "failed")
            with contextlib.suppress(Exception):
                self.finish(status, line)
            if closing is not None:
                with contextlib.suppress(Exception):
                    closing(status, error)
            raise
        self.finish("done")


def _overwrite(path: Path, ending: Mapping[str, Any]) -> bool:
    """Put `ending` into the JSON at `path` without taking more room on the disk; False where that cannot be."""
    try:
        with path.open("r+b") as file:
            before = file.read()
            known = {**json.loads(before), **ending}
            for left_out in ((), ("warnings", "alerts", "command")):
                text = _fitting({k: v for k, v in known.items() if k not in left_out}, len(before) - 1)
                if text is not None:
                    file.seek(0)
                    file.write(text.ljust(len(before) - 1) + b"\n")
                    return True
    except (OSError, ValueError):
        return False
    return False


def _fitting(known: dict[str, Any], room: int) -> bytes | None:
    """`known` as JSON of at most `room` bytes, its reason cut to fit; None where the rest is too long."""
    reason = known.get("reason") or ""
    for kept in (len(reason), len(reason) // 2, 80, 0):
        text = json.dumps({**known, "reason": reason[:kept] or None}, separators=(",", ":")).encode()
        if len(text) <= room:
            return text
    return None


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
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Platform, processor and cores."""
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


@cache
def git_revision() -> dict[str, Any] | None:
    """Revision of barwise's own checkout and whether it is dirty, as it was when the process first asked; None where it
    is installed otherwise.

    git runs what a repository's configuration names: another one around the place of installation is not asked.
    """
    package = next(p for p in Path(__file__).resolve().parents if p.name == "barwise")
    root = package.parents[1]
    if package.parent.name != "src" or not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
