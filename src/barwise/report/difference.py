"""By how much one run differs from another."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """Annual net Sharpe of one run less the first's, on their common bars; `reason` where it is undefined."""

    run: str
    bars: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""
