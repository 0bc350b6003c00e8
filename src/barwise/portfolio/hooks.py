"""What a portfolio rule may say of itself: one small Protocol each, known by its name alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class ReadsScores(Protocol):
    """Reads scores, so that a signal rule would have no effect."""

    reads_scores: bool


@runtime_checkable
class ReadsHeld(Protocol):
    """Reads what is held, so that it is asked bar by bar, for the last row of each context."""

    reads_held: bool


@runtime_checkable
class KeepsLimits(Protocol):
    """Keeps the portfolio's limits by itself."""

    keeps_limits: bool


@runtime_checkable
class Neutralises(Protocol):
    """Is neutral to these groups or columns."""

    neutral: Sequence[str]


@runtime_checkable
class HoldsTranches(Protocol):
    """A portfolio, not a rule: holds so many overlapping tranches."""

    tranches: int


HOOKS: tuple[type, ...] = (ReadsScores, ReadsHeld, KeepsLimits, Neutralises)
KINDS = {"reads_scores": bool, "reads_held": bool, "keeps_limits": bool}
