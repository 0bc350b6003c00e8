"""How a trial ended, from what it left behind and how its process went."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from barwise.console.printing import printable
from barwise.errors import DataError
from barwise.runs.directory import RunDirectory
from barwise.safety.files import read_json, read_text
from barwise.sweeps.claims import state_of
from barwise.sweeps.output import OUTPUT
from barwise.sweeps.pool import Ended, Job

_SIGNALS = {
    signal.SIGKILL: "perhaps out of memory: the kernel kills so",
    signal.SIGSEGV: "a crash in a library; output.log has where",
    signal.SIGABRT: "a crash in a library; output.log has where",
    signal.SIGBUS: "a crash in a library; output.log has where",
}


def settle(ended: Ended) -> str:
    """The trial's status; one whose process ended before it could say how becomes failed, with the reason."""
    status = str(state_of(ended.job.folder).get("status", "missing"))
    if status not in ("running", "missing"):
        return status
    end_run(ended.job, _reason_of(ended))
    return "failed"


def _reason_of(ended: Ended) -> str:
    """Why a process ended without a word, in one line."""
    if ended.timed_out:
        return f"took longer than hydra.launcher.timeout_s and was killed; {OUTPUT} has where it hung"
    if ended.code < 0:
        name = signal.Signals(-ended.code).name
        why = _SIGNALS.get(signal.Signals(-ended.code))
        return f"killed by {name}" + (f" ({why})" if why else "")
    last = _last_line(ended.job.folder / OUTPUT)
    said = f", saying {last}" if last else ""
    return f"its process ended with exit code {ended.code} before the run was finished{said}"


def _last_line(path: Path) -> str:
    """The last line of what the trial printed, empty where it printed nothing."""
    try:
        lines = read_text(path).split("\n")
    except (OSError, DataError):
        return ""
    return next((printable(line, 200) for line in reversed(lines) if line.strip()), "")


def end_run(job: Job, reason: str, interrupted: bool = False) -> None:
    """Close run.json as failed for a trial that cannot do it, and enter it into the ledger of trials.

    `interrupted`: by the user, so that the same command runs it again without being asked to.
    """
    from barwise.evidence.register import count

    out = RunDirectory(job.folder, state_of(job.folder))
    if not out.manifest:
        out.start(overrides=job.config["hydra"]["overrides"]["task"])
    if interrupted:
        out.manifest["interrupted"] = True
    out.finish("failed", reason)
    if not interrupted:
        count({k: v for k, v in job.config.items() if k != "hydra"}, out, "failed", {})


def metrics_of(folder: Path) -> dict[str, Any]:
    """metrics.json of a run, empty where there is none."""
    try:
        found = read_json(folder / "metrics.json")
    except (OSError, DataError):
        return {}
    return found if isinstance(found, dict) else {}


def values_of(folder: Path, objectives: Sequence[str]) -> list[float] | None:
    """What the sweep compares, of a finished trial; None where one of them is undefined or the trial is not done."""
    if state_of(folder).get("status") != "done":
        return None
    metrics = metrics_of(folder)
    values = [metrics.get(name) for name in objectives]
    known = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return known if len(known) == len(values) else None
