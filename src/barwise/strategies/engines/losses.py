"""The losses of `barwise.strategies.losses` in the words that keras.ops and mlx.core share.

Each takes the array library, outputs, targets and weights, and gives the _weighted mean; rows of weight zero do not
count. Losses that compare the symbols of a bar are torch's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Mean = Callable[[Any, Any, Any, Any], Any]


def _weighted(each: Callable[[Any, Any, Any], Any]) -> Mean:
    """The _weighted mean of a loss of rows."""

    def mean(ops: Any, out: Any, target: Any, weight: Any) -> Any:
        return ops.sum(weight * each(ops, out, target)) / ops.sum(weight)

    return mean


def _squared(ops: Any, out: Any, target: Any) -> Any:
    """Squared error."""
    return (out - target) * (out - target)


def _huber(ops: Any, out: Any, target: Any) -> Any:
    """Huber's loss with its corner at one."""
    size = ops.abs(out - target)
    return ops.where(size <= 1.0, 0.5 * size * size, size - 0.5)


def _cross_entropy(ops: Any, out: Any, target: Any) -> Any:
    """Cross-entropy of outputs (…, 3) and one-hot targets."""
    return ops.logsumexp(out, axis=-1) - ops.sum(out * target, axis=-1)


def _sharpe(ops: Any, out: Any, target: Any, weight: Any) -> Any:
    """Minus the Sharpe ratio of holding the outputs for the targets."""
    share = weight / ops.sum(weight)
    earned = out * target
    mean = ops.sum(share * earned)
    variance = ops.sum(share * (earned - mean) * (earned - mean))
    return -mean / ops.sqrt(variance + 1e-6)


MEANS: dict[str, Mean] = {
    "mse": _weighted(_squared),
    "huber": _weighted(_huber),
    "cross_entropy": _weighted(_cross_entropy),
    "sharpe": _sharpe,
}


def targets(loss: str, target: np.ndarray) -> np.ndarray:
    """Targets as the engines want them: one-hot where they are classes."""
    return np.eye(3, dtype=np.float32)[target.astype(np.int64)] if loss == "cross_entropy" else target
