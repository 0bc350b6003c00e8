"""How a net is trained: the settings that the training loop reads, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from barwise.errors import require

SCHEDULERS = ("constant", "cosine", "plateau")
PRECISIONS = ("32", "bf16-mixed")


@dataclass(frozen=True)
class Training:
    """SEED.md's learning_rate, batch_size (labels an optimizer step sees) and epochs, and what it lacks.

    `accumulate`: pieces that a batch is gone through in, to save memory. `patience`: epochs without a better validation
    loss before it stops. `retry_nan`: train once more at a tenth of the learning rate where the loss became NaN.
    """

    learning_rate: float = 0.001
    batch_size: int = 256
    epochs: int = 8
    patience: int = 2
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    accumulate: int = 1
    scheduler: str = "constant"
    precision: str | int = "32"
    compile: bool = False
    loss: str = "mse"
    retry_nan: bool = True

    def __post_init__(self) -> None:
        for name, default in (("batch_size", 256), ("epochs", 8), ("patience", 2), ("accumulate", 1)):
            whole(name, getattr(self, name), default)
        require(
            0 < self.learning_rate < math.inf,
            f"strategy.learning_rate={self.learning_rate}: must be above 0; the default is 0.001",
        )
        require(
            self.weight_decay >= 0, f"strategy.weight_decay={self.weight_decay}: must be 0 or more; the default is 0.01"
        )
        require(
            self.gradient_clip >= 0,
            f"strategy.gradient_clip={self.gradient_clip}: must be 0 (off) or more; the default is 1",
        )
        one_of("scheduler", self.scheduler, SCHEDULERS)
        one_of("precision", str(self.precision), PRECISIONS)
        for name in ("compile", "retry_nan"):
            value = getattr(self, name)
            require(isinstance(value, bool), f"strategy.{name}={value}: must be true or false")

    def factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in an epoch, but for plateau, which watches the validation loss."""
        return 0.5 * (1.0 + math.cos(math.pi * epoch / self.epochs)) if self.scheduler == "cosine" else 1.0


def whole(name: str, value: Any, default: int) -> None:
    """ConfigError unless `value` is a whole number of 1 or more."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    require(good, f"strategy.{name}={value}: must be a whole number of 1 or more; the shipped default is {default}")


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """ConfigError unless `value` is allowed."""
    require(value in allowed, f"strategy.{name}={value}: must be one of {', '.join(allowed)}")
