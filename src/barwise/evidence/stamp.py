"""What is said first of a result that was not audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAMP = "not audited for look-ahead (audit=none)"  # on the verdict of a run that was not


def stamped(verdict: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on the run with manifest `run`, whose sentence says so where the audit was left out."""
    sentence = str(verdict.get("sentence") or "")
    left_out = (run.get("audit") or {}).get("mode") == "none"
    if not left_out or not sentence or STAMP in sentence:
        return dict(verdict)
    return {**verdict, "sentence": f"{sentence.removesuffix('.')}; {STAMP}."}
