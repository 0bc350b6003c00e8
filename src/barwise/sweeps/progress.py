"""A line a trial while a sweep runs: how it went, how many are left and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class SweepProgress:
    """`total` trials in all, where that is known; `slots` run at once; silent when quiet."""

    total: int | None
    slots: int
    quiet: bool = False
    kept: int = 0
    seconds: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def keep(self, n: int) -> None:
        """`n` trials were finished before; none of them runs again."""
        self.kept = n
        if n and not self.quiet:
            print(f"{n} trials are finished already and kept", flush=True)

    def ended(self, number: int, status: str, values: Sequence[str], seconds: float, what: str) -> None:
        """Print the line of one trial; `values` are what the sweep compares, or why it failed."""
        self.seconds.append(seconds)
        if self.quiet:
            return
        count = self.kept + len(self.seconds)
        of = f"{count:>{len(str(self.total))}}/{self.total}" if self.total else str(count)
        print(f"[{of}] #{number} {status:<7} {' '.join(values)}  {seconds:.1f} s  {what}{self.left()}", flush=True)

    def left(self) -> str:
        """About how long the rest takes, from how long the trials took so far."""
        if self.total is None:
            return ""
        n = max(0, self.total - self.kept - len(self.seconds))
        if not n:
            return ""
        pace = (time.monotonic() - self.began) / len(self.seconds)
        return f"  ({n} left, about {_spoken(pace * n)})"


def _spoken(seconds: float) -> str:
    """Seconds in the unit a person would say."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (float("inf"), 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return "-"
