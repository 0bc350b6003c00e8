"""Going on where an engine's device fails: smaller pieces of a batch first, then torch, each step told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from barwise.strategies.base import FitContext
from barwise.strategies.engines.base import Engine
from barwise.strategies.engines.choose import short
from barwise.strategies.engines.loop import train
from barwise.strategies.fallback import SMALLEST, Plan
from barwise.strategies.module import Task
from barwise.strategies.nets import SequenceNet
from barwise.strategies.training import Training


def trained(
    engine: Engine, task: Task, training: Training, context: FitContext, plan: Plan, file: Path | None,
    otherwise: Callable[[], SequenceNet],
) -> SequenceNet:  # fmt: skip
    """The net trained by `engine`, or by `otherwise`, which is torch, where its device fails; the plan that worked is
    in the context's facts."""
    while True:
        try:
            net = train(engine, task, training, context, plan, file)
        except Exception as error:
            kind = engine.kind_of(error)
            if kind == "out of memory" and plan.micro_batch > SMALLEST:
                plan = replace(plan, micro_batch=max(SMALLEST, plan.micro_batch // 2))
                context.alert("fallback", f"{kind}: {short(error)}; the fold goes on with {plan}")
            elif kind is not None and plan.device != "cpu":
                context.alert(
                    "fallback", f"{engine.name} on {plan.device} failed: {short(error)}; torch trains the fold"
                )
                return otherwise()
            else:
                raise
        else:
            context.facts.update(device=plan.device, micro_batch=plan.micro_batch, engine=engine.name)
            return net


def own_file(file: Path | None, engine: str) -> Path | None:
    """Where an engine's checkpoint lies, beside torch's."""
    return file.with_name(f"{file.stem}-{engine}{file.suffix}") if file else None
