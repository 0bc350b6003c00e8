"""What benchmarks share: repeated timing, and results kept as JSON beside those of earlier days."""

from __future__ import annotations

import contextlib
import gc
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from barwise.runs import jsonlines
from barwise.runs.directory import machine, versions, write_json

FOLDER = Path("outputs/benchmarks")


def seconds(action: Callable[[], Any], repeats: int = 5) -> float:
    """Median wall seconds of `action` over `repeats` calls, after one that warms caches."""
    action()
    return statistics.median(once(action) for _ in range(repeats))


def interleaved(actions: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Median seconds of each action, taken in turns, so that a busy moment of the machine hits all of them."""
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            times[name].append(once(action))
    return {name: statistics.median(found) for name, found in times.items()}


def once(action: Callable[[], Any]) -> float:
    """Wall seconds of one call, garbage collected before."""
    gc.collect()
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def resident(pid: int | None = None) -> float:
    """MB of memory that a process (this one by default) and all its children hold; what they share counts once."""
    import psutil

    def one(process: psutil.Process) -> int:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            found = process.memory_full_info()
            return int(getattr(found, "pss", found.uss))
        return 0

    try:
        first = psutil.Process(pid)
        return sum(map(one, (first, *first.children(recursive=True)))) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def watched(command: list[str], every: float = 0.03) -> tuple[str, float]:
    """What a command prints, and the peak of `resident` over it, seen from outside every so many seconds."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(every)
        text = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, text)
    return text, peak


def store(name: str, facts: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write `facts` with machine, versions and time to `folder`/`name`.json; what was there goes into its history."""
    path = folder / f"{name}.json"
    if earlier := last(name, folder):
        jsonlines.append(folder / f"{name}.history.jsonl", earlier)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, {"at": at, "host": platform.node(), "machine": machine(), "versions": versions(), **facts})
    return path


def last(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The last stored result of a benchmark, None without one or where it cannot be read."""
    try:
        found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
