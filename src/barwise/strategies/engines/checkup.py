"""What an engine is and can do here, measured now: devices, parity with torch, labels a second."""

from __future__ import annotations

from typing import Any

from barwise.strategies.engines.base import Engine
from barwise.strategies.engines.choose import Trial, compared, short, step_seconds


def rows_of(engine: Engine, trial: Trial) -> list[dict[str, Any]]:
    """One row a device of a started engine: agrees with torch on the CPU or not, and labels a second of a step."""
    rows = []
    for device in ("cpu", "cuda", "mps"):
        row: dict[str, Any] = {"engine": engine.name, "device": device, "ok": True, "labels_a_second": None}
        why = engine.missing(device)
        if why is not None:
            rows.append({**row, "parity": why})
            continue
        row["parity"], row["ok"], _ = compared(engine, device, trial)
        try:
            row["labels_a_second"] = trial.piece.weight.numel() / step_seconds(engine, device, trial)
        except Exception as error:
            if device == "cpu" or engine.kind_of(error) is None:
                raise
            row.update(ok=False, parity=short(error))
        rows.append(row)
    return rows
