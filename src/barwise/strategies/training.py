"""How a net is trained: the settings that the training loop reads, checked once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from barwise.console.settings import Number, OneOf, Whole, check_fields

SCHEDULERS = ("constant", "cosine", "plateau")
PRECISIONS = ("32", "bf16-mixed")


@dataclass(frozen=True)
class Training:
    """How a net is trained: learning_rate, batch_size (labels an optimizer step sees), epochs and the rest.

    `accumulate`: pieces that a batch is gone through in, to save memory. `patience`: epochs without a better validation
    loss before it stops. `retry_nan`: train once more at a tenth of the learning rate where the loss became NaN.
    """

    learning_rate: Annotated[float, Number(0.0, 10.0, above=True)] = 0.001
    batch_size: Annotated[int, Whole(1, 65_536)] = 256
    epochs: Annotated[int, Whole(1, 100_000)] = 8
    patience: Annotated[int, Whole(1, 100_000)] = 2
    weight_decay: Annotated[float, Number(0.0, 100.0)] = 0.01
    gradient_clip: Annotated[float, Number(0.0, 1e6)] = 1.0
    accumulate: Annotated[int, Whole(1, 65_536)] = 1
    scheduler: Annotated[str, OneOf(SCHEDULERS)] = "constant"
    precision: Annotated[str | int, OneOf((*PRECISIONS, 32))] = "32"
    compile: bool = False
    loss: str | Callable[..., Any] = "mse"  # a name, or a function of one's own
    retry_nan: bool = True

    def __post_init__(self) -> None:
        check_fields(self, "strategy")

    def factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in an epoch, but for plateau, which watches the validation loss."""
        return 0.5 * (1.0 + math.cos(math.pi * epoch / self.epochs)) if self.scheduler == "cosine" else 1.0
