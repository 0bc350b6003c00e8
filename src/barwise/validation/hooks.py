"""What a validation may offer beyond its folds: one small Protocol each, known by its names alone."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class SplitsTimes(Protocol):
    """Takes its folds from a splitter of times, with scikit-learn's own `split`."""

    splitter: Any


HOOKS: tuple[type, ...] = (SplitsTimes,)


def splitter_of(validation: object) -> Any:
    """The splitter whose folds a validation takes; None where it has its own way."""
    return validation.splitter if isinstance(validation, SplitsTimes) else None
