"""Stream nets, live: the state that a net hands on from bar to bar, and how it is packed for a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.serving.model import Member
from barwise.strategies.hooks import Stateful

_DEPTH = 16


@dataclass
class Carried:
    """The score of the newest bar, and the net's memory; None where the stretch of defined bars is broken."""

    score: float
    memory: Any = None


def carry(member: Member, before: Carried | None, rows: np.ndarray, warm: np.ndarray) -> Carried:
    """Lead the net over new feature `rows`; as in the batch it begins anew after a row that is not defined."""
    defined = warm & np.isfinite(rows).all(axis=1)
    broken = np.flatnonzero(~defined)
    memory = before.memory if before is not None and not len(broken) else None
    stretch = rows[broken[-1] + 1 :] if len(broken) else rows
    if not len(stretch):
        return Carried(np.nan)
    scaled = member.scaler(stretch) if member.scaler is not None else stretch
    strategy = member.strategy
    if not isinstance(strategy, Stateful):
        raise TypeError(f"{type(strategy).__name__} hands on no state")
    score, memory = strategy.advance(scaled, memory)
    return Carried(float(score[-1]), memory)


def packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON, its tensors put into `arrays` by number; lists, tuples, numbers and a Memory are known."""
    import torch

    from barwise.strategies.scoring import Memory

    if isinstance(value, torch.Tensor):
        arrays[str(len(arrays))] = np.ascontiguousarray(value.detach().cpu().numpy())
        return {"array": str(len(arrays) - 1)}
    if isinstance(value, Memory):
        return {"memory": [value.seen, packed(value.rows, arrays), packed(value.states, arrays)]}
    if isinstance(value, tuple):
        return {"tuple": [packed(v, arrays) for v in value]}
    if isinstance(value, list):
        return [packed(v, arrays) for v in value]
    if value is None or isinstance(value, int | float | str):
        return value
    raise DataError(f"the state of this net holds a {type(value).__name__}, which is not saved")


def unpacked(value: Any, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """What `packed` packed; ValueError or KeyError for anything else."""
    import torch

    from barwise.strategies.scoring import Memory

    if depth > _DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, list):
        return [unpacked(v, arrays, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "array":
        return torch.from_numpy(arrays[str(inner)])
    parts = [unpacked(v, arrays, depth + 1) for v in inner]
    return tuple(parts) if kind == "tuple" else Memory(int(parts[0]), parts[1], parts[2])
