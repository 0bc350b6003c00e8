"""What nets learn: targets made of labels, the loss of outputs against them, and outputs turned into scores."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from barwise.errors import ConfigError, require
from barwise.samples import Samples
from barwise.strategies import scores


@dataclass
class Loss:
    """Mean squared error. Signs are learned as they are, other labels over three deviations, clipped.

    `outputs`: of the net a step; `squash`: whether tanh comes last. Subclasses are the other losses.
    """

    sigma_: float = field(default=1.0, init=False)
    outputs = 1
    squash = True

    def fit(self, train: Samples) -> Loss:
        """Learn from training rows what scales the targets."""
        self.sigma_ = 1.0 if scores.is_classes(train.y) else 3.0 * _deviation(train.y)
        return self

    def target(self, samples: Samples) -> np.ndarray:
        """One float32 number a row."""
        return np.clip(samples.y / self.sigma_, -1.0, 1.0).astype(np.float32)

    def each(self, out: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        return (out - target) ** 2

    def mean(self, out: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Weighted mean over rows; rows of weight zero do not count."""
        return (weight * self.each(out, target)).sum() / weight.sum()

    def score(self, out: Tensor) -> Tensor:
        """Outputs (…[, outputs]) to scores in [-1, 1]."""
        return out.clamp(-1.0, 1.0)


class Huber(Loss):
    """Huber's loss on returns over their training deviation: squares near zero, absolute values beyond one."""

    squash = False

    def fit(self, train: Samples) -> Loss:
        self.sigma_ = _deviation(train.ret)
        return self

    def target(self, samples: Samples) -> np.ndarray:
        return (samples.ret / self.sigma_).astype(np.float32)

    def each(self, out: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.huber_loss(out, target, reduction="none")


class CrossEntropy(Loss):
    """Cross-entropy of down, flat and up; the score is P(up) - P(down)."""

    outputs = 3
    squash = False

    def fit(self, train: Samples) -> Loss:
        classes = scores.is_classes(train.y)
        require(classes, "strategy.loss=cross_entropy: these labels are not -1, 0 and 1; use loss=mse or other labels")
        return self

    def target(self, samples: Samples) -> np.ndarray:
        return (samples.y + 1.0).astype(np.float32)

    def each(self, out: Tensor, target: Tensor) -> Tensor:
        flat = torch.nn.functional.cross_entropy(out.flatten(0, -2), target.flatten().long(), reduction="none")
        return flat.view_as(target)

    def score(self, out: Tensor) -> Tensor:
        probability = out.softmax(dim=-1)
        return probability[..., 2] - probability[..., 0]


class Sharpe(Huber):
    """Minus the Sharpe ratio, over a batch's rows, of holding the score as position for the label's return.

    Mean over standard deviation, not annualised, before costs. Moody, Saffell (2001) learn positions from it directly.
    """

    squash = True

    def mean(self, out: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        share = weight / weight.sum()
        earned = out * target
        mean = (share * earned).sum()
        variance = (share * (earned - mean) ** 2).sum()
        return -mean / (variance + 1e-6).sqrt()


LOSSES: dict[str, type[Loss]] = {"mse": Loss, "cross_entropy": CrossEntropy, "huber": Huber, "sharpe": Sharpe}


def loss_of(name: str) -> Loss:
    """A fresh loss by its name."""
    if name not in LOSSES:
        raise ConfigError(f"strategy.loss={name}: must be one of {', '.join(LOSSES)}")
    return LOSSES[name]()


def _deviation(x: np.ndarray) -> float:
    return float(np.std(x)) or 1.0
