"""What is kept of the epochs of a net's training, whatever trains it: losses, the best weights, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from barwise.strategies.base import FitContext
from barwise.strategies.training import Training

NAMES = ("learning_rate", "train_loss", "valid_loss")


class Epochs:
    """Losses by epoch, the weights of the best by the validation loss, and whether to go on.

    Training stops after `patience` epochs without a better one. `slower`: what plateau multiplies the rate by.
    """

    KEPT = ("best", "best_epoch", "done", "slower", "history", "weights")

    def __init__(self, context: FitContext, training: Training) -> None:
        self.context, self.training = context, training
        self.best, self.best_epoch, self.done = float("inf"), -1, False
        self.slower = 1.0
        self.history: list[list[Any]] = []
        self.weights: dict[str, Tensor] | None = None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: getattr(self, name) for name in self.KEPT}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name in self.KEPT:
            setattr(self, name, state[name])

    def seed(self, epoch: int) -> int:
        """Of an epoch's random numbers, whatever was drawn before."""
        return (self.context.seed * 1_000_003 + epoch + 1) % (2**63)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch."""
        return self.training.learning_rate * self.training.factor(epoch) * self.slower

    def add(self, epoch: int, rate: float, losses: list[float | None]) -> None:
        """Keep and log what an epoch gave: the losses of training and of validation."""
        self.history.append([epoch, rate, *losses])
        self.tell(self.history[-1:])

    def judge(self, weights: Callable[[], dict[str, Tensor]]) -> bool:
        """Whether the last epoch was the last; its `weights` are kept if none was better. Raises to prune the trial."""
        epoch, _, *losses = self.history[-1]
        if self.context.progress:
            self.context.progress(f"epoch {epoch + 1} of at most {self.training.epochs}")
        watched = losses[0] if losses[1] is None else losses[1]
        if self.context.report and watched is not None:
            self.context.report(watched, epoch)
        if watched is not None and watched < self.best:
            self.best, self.best_epoch = watched, epoch
            self.weights = weights()
        elif self.training.scheduler == "plateau":
            self.slower *= 0.5
        stop: bool = epoch - self.best_epoch >= self.training.patience
        self.done = stop or epoch + 1 >= self.training.epochs
        return stop

    def tell(self, epochs: list[list[Any]]) -> None:
        """Log the learning rate and the losses of `epochs`."""
        for epoch, *values in epochs:
            for name, value in zip(NAMES, values, strict=True):
                if value is not None:
                    self.context.log(name, value, epoch)
