"""Going on where a device fails: smaller micro-batches first, then the CPU, each step told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from barwise.devices.backend import backend
from barwise.devices.guards import describe, kind_of
from barwise.strategies.base import FitContext

T = TypeVar("T")
SMALLEST = 8  # rows of a micro-batch; below it the CPU is the better answer


@dataclass(frozen=True)
class Plan:
    """Where a fold is trained, and in how many rows at once; `accumulate` keeps the effective batch the same."""

    device: str
    batch_size: int
    micro_batch: int

    @property
    def accumulate(self) -> int:
        """Micro-batches to one step of the optimizer."""
        return -(-self.batch_size // self.micro_batch)

    def after(self, kind: str) -> Plan | None:
        """What to do about a failure of this kind; None if nothing is left."""
        if kind == "out of memory" and self.micro_batch > SMALLEST:
            return replace(self, micro_batch=max(SMALLEST, self.micro_batch // 2))
        if self.device != "cpu":
            return Plan("cpu", self.batch_size, self.batch_size)
        return None

    def __str__(self) -> str:
        if self.accumulate == 1:
            return self.device
        return f"{self.device} with {self.accumulate} micro-batches of {self.micro_batch} rows to a step"


def with_fallback(attempt: Callable[[Plan], T], plan: Plan, context: FitContext) -> T:
    """Call `attempt` with `plan`, and with the next best plan whenever the device fails; what is no fault of the
    device is raised, and so is the last failure. The plan that worked is in the context's facts; one alert tells of
    the first failure, and one of where smaller pieces led."""
    tried = 0
    while True:
        try:
            result = attempt(plan)
        except Exception as error:
            kind = kind_of(error)
            following = plan.after(kind) if kind else None
            if kind is None or following is None:
                raise
            failure = describe(error)
        else:
            context.facts.update(device=plan.device, micro_batch=plan.micro_batch)
            if tried > 1:
                context.alert("fallback", f"after {tried} tries the fold goes on with {plan}")
            return result
        backend(plan.device).empty_cache()
        tried += 1
        if tried == 1:
            context.alert("fallback", f"{failure}; {plan} failed, the fold goes on with {following}")
        plan = following
