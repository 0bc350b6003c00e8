"""What nets learn: targets made of labels, the loss of outputs against them, and outputs turned into scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from barwise.errors import BarwiseError, ConfigError, require
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
    by_bar = False  # whether it compares the symbols of a bar: batches hold whole bars, one after the other

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

    def mean(self, out: Tensor, target: Tensor, weight: Tensor, bars: Sequence[int] = ()) -> Tensor:
        """Weighted mean over rows; rows of weight zero do not count. `bars`: rows of each bar, where it is `by_bar`."""
        return (weight * self.each(out, target)).sum() / weight.sum()

    def score(self, out: Tensor) -> Tensor:
        """Outputs (…[, outputs]) to scores in [-1, 1]."""
        return out.clamp(-1.0, 1.0)


class _Huber(Loss):
    """Huber's loss on returns over their training deviation: squares near zero, absolute values beyond one."""

    squash = False

    def fit(self, train: Samples) -> Loss:
        self.sigma_ = _deviation(train.ret)
        return self

    def target(self, samples: Samples) -> np.ndarray:
        return (samples.ret / self.sigma_).astype(np.float32)

    def each(self, out: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.huber_loss(out, target, reduction="none")


class _CrossEntropy(Loss):
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


class _Sharpe(_Huber):
    """Minus the Sharpe ratio, over a batch's rows, of holding the score as position for the label's return.

    Mean over standard deviation, not annualised, before costs. Moody, Saffell (2001) learn positions from it directly.
    """

    squash = True

    def mean(self, out: Tensor, target: Tensor, weight: Tensor, bars: Sequence[int] = ()) -> Tensor:
        share = weight / weight.sum()
        earned = out * target
        mean = (share * earned).sum()
        variance = (share * (earned - mean) ** 2).sum()
        return -mean / (variance + 1e-6).sqrt()


class _InformationCoefficient(Loss):
    """One less the correlation of outputs and labels within each bar: the mean over bars, by their weights.

    A bar without spread counts as 0. Refused where the median bar has fewer than `FEWEST` symbols.
    """

    name = "ic"
    by_bar = True

    def fit(self, train: Samples) -> Loss:
        size = int(np.median(np.unique(train.time, return_counts=True)[1]))
        require(
            size >= _FEWEST,
            f"strategy.loss={self.name}: compares the symbols of a bar, and half of the bars to learn from have"
            f" {size} or fewer; it takes {_FEWEST}: use strategy.loss=mse, or more symbols",
        )
        return super().fit(train)

    def mean(self, out: Tensor, target: Tensor, weight: Tensor, bars: Sequence[int] = ()) -> Tensor:
        x, y, w = (_padded(each, bars) for each in (out, target, weight))
        size = w.sum(dim=1)
        return (size * self.of_bars(x, y, w)).sum() / size.sum()

    def of_bars(self, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        """The loss of each bar: outputs, targets and weights (bar, symbol), of weight 0 where there is none."""
        x, y = _centred(x, w), _centred(y, w)
        spread = ((w * x * x).sum(dim=1) * (w * y * y).sum(dim=1) + 1e-12).sqrt()
        return 1.0 - (w * x * y).sum(dim=1) / spread


class _Listwise(_InformationCoefficient):
    """How far the order of a bar's outputs is from that of its labels: ListNet (Cao et al., 2007).

    Kullback-Leibler divergence of the softmax of three times the outputs from that of the labels, which are brought to
    mean 0 and deviation 1 in their bar: an output of 1 is three deviations.
    """

    name = "listwise"

    def of_bars(self, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        there = w > 0
        y = _centred(y, w)
        y = y / ((w * y * y).sum(dim=1, keepdim=True) / w.sum(dim=1, keepdim=True) + 1e-12).sqrt()
        right, found = (each.masked_fill(~there, -1e4).log_softmax(dim=1) for each in (y, 3.0 * x))
        return (right.exp() * (right - found)).masked_fill(~there, 0.0).sum(dim=1)


class _Own(Loss):
    """The user's: `function(out, target)` gives the loss of each row. Outputs and targets are those of mse."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        _check_loss(function)

    def each(self, out: Tensor, target: Tensor) -> Tensor:
        return self.function(out, target)


def _check_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """ConfigError unless it gives a finite loss a row, of that row alone, from which the output can learn."""
    name = name_of(function)
    generator = torch.Generator().manual_seed(0)
    out, target = torch.rand(2, 4, 3, generator=generator) * 2 - 1
    out.requires_grad_()
    try:
        found = function(out, target)
        fits = isinstance(found, Tensor) and found.shape == target.shape and bool(found.isfinite().all())
        require(fits, f"strategy.loss={name}: must give one finite number a row, of the shape of its target")
        require(found.requires_grad, f"strategy.loss={name}: does not depend on the output, so that nothing is learned")
        beside = torch.ones_like(target)
        beside[0, 0] = 0.0  # all rows but the first are others
        again = function((out + 0.1 * beside).detach(), target - 0.2 * beside)
    except BarwiseError:
        raise
    except Exception as error:  # of the user's function, whatever it is
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ConfigError(f"strategy.loss={name}: was tried on (out, target) and failed: {line}") from error
    apart = torch.allclose(found[0, 0], again[0, 0])
    require(apart, f"strategy.loss={name}: a row's loss changes with the rows beside it; give each row's own")
    (slope,) = torch.autograd.grad(found.sum(), out)
    require(
        bool(slope.isfinite().all() and (slope != 0).any()),
        f"strategy.loss={name}: its slope is zero or no number, so that nothing is learned",
    )


def name_of(loss: str | Callable[..., Any]) -> str:
    """A loss by name: one of `LOSSES`, or where the user's function lies."""
    while isinstance(loss, partial):
        loss = loss.func
    return loss if isinstance(loss, str) else f"{loss.__module__}.{getattr(loss, '__qualname__', type(loss).__name__)}"


_FEWEST = 5  # symbols of a bar that a correlation means something among
LOSSES: dict[str, type[Loss]] = {
    "mse": Loss, "cross_entropy": _CrossEntropy, "huber": _Huber, "sharpe": _Sharpe, "ic": _InformationCoefficient,
    "listwise": _Listwise,
}  # fmt: skip


def loss_of(given: str | Callable[..., Any]) -> Loss:
    """A fresh loss, by its name or of the user's function."""
    if not isinstance(given, str) and callable(given):
        return _Own(given)
    if given not in LOSSES:
        raise ConfigError(
            f"strategy.loss={given!s:.80}: must be one of {', '.join(LOSSES)}, or a function of yours:"
            " {_target_: my_module.my_loss, _partial_: true}"
        )
    return LOSSES[given]()


def _padded(values: Tensor, bars: Sequence[int]) -> Tensor:
    """Rows of bars, one after the other, as (bar, symbol); 0 where there is none."""
    found: Tensor = torch.nn.utils.rnn.pad_sequence(list(values.split(list(bars))), batch_first=True)
    return found


def _centred(values: Tensor, weight: Tensor) -> Tensor:
    """Values (bar, symbol) less their weighted mean in the bar."""
    return values - (weight * values).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp_min(1e-12)


def _deviation(x: np.ndarray) -> float:
    return float(np.std(x)) or 1.0
