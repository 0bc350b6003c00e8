"""One net on one engine: gradients of a piece of a batch, AdamW, and its state in torch's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from barwise.strategies.engines.base import Arrays, Body, Engine
from barwise.strategies.engines.losses import MEANS, targets
from barwise.strategies.training import Training

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's


@dataclass(frozen=True)
class Piece:
    """Some items of a batch on the CPU: x (item, time, feature); target and weight (item[, step])."""

    x: Tensor
    target: Tensor
    weight: Tensor

    def padded(self, size: int) -> Piece:
        """The same with items of weight zero up to `size`: an engine compiles a step for each size that it sees."""
        lack = size - len(self.x)
        if lack <= 0:
            return self
        found = (torch.cat([one, one.new_zeros(lack, *one.shape[1:])]) for one in (self.x, self.target, self.weight))
        return Piece(*found)


class Learner:
    """Weights, AdamW's moments and compiled steps of one net; `loss`: its name in `MEANS`."""

    def __init__(
        self, engine: Engine, body: Body, loss: str, training: Training, weights: Mapping[str, Tensor]
    ) -> None:
        self.engine, self.body, self.loss, self.training = engine, body, loss, training
        self.weights: Arrays = self._arrays(weights)
        self.moments: list[Arrays] = [self._arrays({k: torch.zeros_like(v) for k, v in weights.items()}) for _ in "12"]
        self.steps, self.names = 0, list(weights)
        self._programs = _programs(engine, engine.device, body, loss, training.weight_decay, training.gradient_clip)

    def gradients(self, piece: Piece, draws: np.ndarray | None = None) -> tuple[Any, Arrays]:
        """The mean loss of a piece and its gradients; `draws`: numbers that seed dropout, None for no dropout."""
        given = self._given(piece)
        if draws is not None and self.body.dropouts:
            given.append(self.engine.array(draws))
        value, gradients = self._programs.gradients(self.weights, *given)
        return value, gradients

    def apply(self, gradients: Arrays, learning_rate: float) -> None:
        """One step of AdamW, gradients clipped by their norm."""
        self.steps += 1
        corrections = [1.0 - beta**self.steps for beta in _BETAS]
        numbers = self.engine.array(np.array([learning_rate, *corrections], np.float32))
        found = self._programs.step(self.weights, *self.moments, gradients, numbers)
        self.weights, self.moments = found[0], list(found[1:])

    def mean_loss(self, piece: Piece) -> Any:
        """The mean loss of a piece without dropout."""
        return self._programs.value(self.weights, *self._given(piece))

    def outputs(self, x: Tensor) -> np.ndarray:
        """The net's outputs without dropout."""
        return self.engine.numpy(self._programs.forward(self.weights, self.engine.array(x.numpy())))

    def state(self) -> dict[str, Any]:
        """What training goes on from, as tensors in torch's layout."""
        first, second = (self._tensors(one) for one in self.moments)
        return {"weights": self.tensors(), "first": first, "second": second, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.weights = self._arrays(state["weights"])
        self.moments = [self._arrays(state["first"]), self._arrays(state["second"])]
        self.steps = int(state["steps"])

    def tensors(self) -> dict[str, Tensor]:
        """The weights as torch has them."""
        return self._tensors(self.weights)

    def tensor(self, value: Any) -> Tensor:
        """An array of the engine's as torch has it."""
        return torch.from_numpy(np.array(self.engine.numpy(value) if not isinstance(value, np.ndarray) else value))

    def _given(self, piece: Piece) -> list[Any]:
        target = targets(self.loss, piece.target.numpy())
        return [self.engine.array(one) for one in (piece.x.numpy(), target, piece.weight.numpy())]

    def _arrays(self, weights: Mapping[str, Tensor]) -> Arrays:
        return {name: self.engine.array(one.detach().numpy()) for name, one in weights.items()}

    def _tensors(self, arrays: Arrays) -> dict[str, Tensor]:
        return {name: self.tensor(arrays[name]) for name in self.names}


@dataclass(frozen=True)
class _Programs:
    """What is compiled once for all folds and seeds: a fold of JAX took seven seconds to compile."""

    gradients: Callable[..., Any]
    value: Callable[..., Any]
    forward: Callable[..., Any]
    step: Callable[..., Any]


@lru_cache(maxsize=8)
def _programs(engine: Engine, device: str, body: Body, loss: str, decay: float, clip: float) -> _Programs:
    """The compiled functions of a body, a loss and AdamW's settings on `device`, where the engine now is."""
    forward, mean, ops = engine.forward(body), MEANS[loss], engine.ops

    def value(weights: Arrays, x: Any, target: Any, weight: Any, draws: Any = None) -> Any:
        return mean(ops, forward(weights, x, draws), target, weight)

    return _Programs(
        engine.compiled(engine.with_gradients(value)),
        engine.compiled(value),
        engine.compiled(lambda weights, x: forward(weights, x, None)),
        engine.compiled(partial(_adamw, ops, decay, clip)),
    )


def _adamw(
    ops: Any, decay: float, clip: float, weights: Arrays, first: Arrays, second: Arrays, gradients: Arrays, numbers: Any
) -> Any:
    """Loshchilov, Hutter (2019), as torch.optim.AdamW takes a step; `numbers`: rate and corrections of the bias."""
    rate, slow, fast = numbers[0], numbers[1], numbers[2]
    if clip:
        norm = ops.sqrt(sum(ops.sum(one * one) for one in gradients.values()))
        share = ops.minimum(1.0, clip / (norm + 1e-6))
        gradients = {name: one * share for name, one in gradients.items()}
    found: tuple[Arrays, Arrays, Arrays] = ({}, {}, {})
    for name, one in gradients.items():
        m = _BETAS[0] * first[name] + (1.0 - _BETAS[0]) * one
        v = _BETAS[1] * second[name] + (1.0 - _BETAS[1]) * one * one
        kept = weights[name] * (1.0 - rate * decay)
        moved = kept - rate / slow * m / (ops.sqrt(v) / ops.sqrt(fast) + _EPSILON)
        for into, value in zip(found, (moved, m, v), strict=True):
            into[name] = value
    return found
