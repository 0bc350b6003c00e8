"""The epochs of a net on an engine: the task, the seeds, the logs and the checkpoints of Lightning's loop.

`train` is the twin of `barwise.strategies.module.train`: batches come from the same matrix in the same order, random
_numbers are seeded from (seed, epoch, step), and what it returns is torch's net.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from barwise.runs.directory import replacing
from barwise.strategies.base import FitContext
from barwise.strategies.batches import Batches
from barwise.strategies.engines.base import Body, Engine
from barwise.strategies.engines.learner import Learner, Piece
from barwise.strategies.epochs import Epochs
from barwise.strategies.fallback import Plan
from barwise.strategies.losses import name_of
from barwise.strategies.module import CHECK_EVERY, Diverged, Task
from barwise.strategies.nets import SequenceNet
from barwise.strategies.training import Training


def train(
    engine: Engine, task: Task, training: Training, context: FitContext, plan: Plan, checkpoint: Path | None = None
) -> SequenceNet:
    """A copy of the task's net trained by `engine` on `plan.device`, with the weights of its best epoch."""
    torch.set_num_threads(context.threads)
    record = Epochs(context, training)
    saved: dict[str, Any] | None = None
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        record.load_state_dict(saved["epochs"])
        record.tell(record.history)
    if not record.done:
        learned, watched = task.batches("cpu")
        with engine.on(plan.device):
            body = Body.of(task.net, task.loss, getattr(learned, "warm", None))
            learner = Learner(engine, body, name_of(training.loss), training, task.net.state_dict())
            if saved is not None:
                learner.restore(saved["learner"])
            course = _Course(learner, learned, watched, context, plan)
            for epoch in range(len(record.history), training.epochs):
                rate = record.rate(epoch)
                losses = [course.train(epoch, rate, record.seed(epoch)), course.validate()]
                context.sample(epoch)
                record.add(epoch, rate, losses)
                stop = record.judge(learner.tensors)
                if checkpoint is not None:
                    with replacing(checkpoint) as beside:
                        torch.save({"epochs": record.state_dict(), "learner": learner.state()}, beside)
                if stop:
                    break
    net = copy.deepcopy(task.net)
    if record.weights is not None:
        net.load_state_dict(record.weights)
    context.facts.update(epochs=len(record.history), best_epoch=record.best_epoch + 1)
    return net.eval()


class _Course:
    """One learner going through batches, in pieces of at most `plan.micro_batch` rows."""

    def __init__(
        self, learner: Learner, learned: Batches, watched: Batches | None, context: FitContext, plan: Plan
    ) -> None:
        self.learner, self.learned, self.watched, self.context = learner, learned, watched, context
        self.piece = max(1, plan.micro_batch // learned.rows_each)
        self.check_every = 1 if plan.device == "cpu" else CHECK_EVERY

    def train(self, epoch: int, rate: float, seed: int) -> float | None:
        """One pass over the training rows; the mean loss of its steps."""
        self.learned.epoch = epoch
        losses: list[tuple[float, Any]] = []
        checked, ended = 0, time.perf_counter()
        for step, index in enumerate(self.learned):
            began = time.perf_counter()
            weight = float(self.learned.weigh(index).sum())
            value: Any = 0.0
            total: dict[str, Any] | None = None
            for number, (piece, share) in enumerate(self.pieces(self.learned, index, self.piece)):
                draws = _numbers(seed, step, number, self.learner.body.dropouts)
                part, gradients = self.learner.gradients(piece, draws)
                if share < 1.0:
                    gradients = {name: one * share for name, one in gradients.items()}
                total = gradients if total is None else {name: total[name] + one for name, one in gradients.items()}
                value = value + part * share
            self.learner.apply(total or {}, rate)
            losses.append((weight, value))
            if len(losses) - checked >= self.check_every:
                self.look(losses, checked, epoch, rate)
                checked = len(losses)
            now = time.perf_counter()
            self.context.step(now - began, began - ended)
            ended = now
        self.look(losses, checked, epoch, rate)
        return _mean_of(losses)

    def validate(self) -> float | None:
        """The mean loss of the validation rows; None where there are none."""
        if self.watched is None:
            return None
        losses = []
        for index in self.watched:
            weight = float(self.watched.weigh(index).sum())
            for piece, share in self.pieces(self.watched, index, self.watched.per_batch):
                losses.append((weight * share, self.learner.mean_loss(piece)))
        return _mean_of(losses)

    def pieces(self, batches: Batches, index: Tensor, size: int) -> Iterator[tuple[Piece, float]]:
        """The pieces of a batch, of one size each, and the share of the batch's weight that each has."""
        whole = float(batches.weigh(index).sum())
        size = min(size, batches.per_batch, batches.items())
        for part in batches.pieces(index, size):
            piece = Piece(*batches.gather(part))
            yield piece.padded(size), 1.0 if len(part) == len(index) else float(piece.weight.sum()) / whole

    def look(self, losses: list[tuple[float, Any]], first: int, epoch: int, rate: float) -> None:
        """Diverged if any loss from `first` on is not a number."""
        for step in range(first, len(losses)):
            value = float(self.learner.engine.numpy(losses[step][1]))
            losses[step] = (losses[step][0], value)
            if not math.isfinite(value):
                index = next(one for i, one in enumerate(self.learned) if i == step)
                facts = {"loss": value, "epoch": epoch + 1, "step": step, **self.learned.facts(index)}
                raise Diverged({**facts, "learning_rate": rate})


def _mean_of(losses: list[tuple[float, Any]]) -> float | None:
    """The mean of values by their weights."""
    whole = sum(weight for weight, _ in losses)
    return sum(weight * float(value) for weight, value in losses) / whole if whole else None


def _numbers(seed: int, step: int, piece: int, dropouts: int) -> np.ndarray | None:
    """Two _numbers for each time that a pass drops, the same whenever the step is taken again."""
    if not dropouts:
        return None
    return np.random.SeedSequence([seed, step, piece]).generate_state(2 * dropouts).reshape(dropouts, 2)
