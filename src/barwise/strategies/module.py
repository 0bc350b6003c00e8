"""The one LightningModule, and the one training loop for nets.

    train(task, training, context, plan, checkpoint=None) -> net

is the seam for whoever wants to go on elsewhere. `plan` says on which device and in how many rows at once; `checkpoint`
is a file that is written after every epoch and, where it is there already, continued from: after a failure, call it
again with another plan and the same file. Without a file it begins again. `task.net` is never changed. Random numbers
are seeded from (seed, epoch), so that an epoch repeated is the same epoch. Raises `Diverged` where the loss is no
longer a number, and whatever the device raises.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from barwise.devices.backend import backend
from barwise.devices.heap import kept_heap
from barwise.runs.directory import replacing
from barwise.strategies.base import FitContext
from barwise.strategies.batches import Batches
from barwise.strategies.epochs import NAMES, Epochs
from barwise.strategies.fallback import Plan
from barwise.strategies.losses import Loss
from barwise.strategies.nets import SequenceNet
from barwise.strategies.trainer import compiled, quiet, trainer_of, watchers
from barwise.strategies.training import Training

CHECK_EVERY = 32  # steps between looks at the loss on an accelerator, where each look waits for the device


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; `facts` of the batch."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__("the loss is no longer a number: " + ", ".join(f"{k} {v}" for k, v in facts.items()))
        self.facts = facts


@dataclass(frozen=True)
class Task:
    """What is to be learned: a fresh net, its loss, and `batches(device)`: those of training and of validation; and
    Lightning callbacks and loggers of the user's, which hear it."""

    net: SequenceNet
    loss: Loss
    batches: Callable[[str], tuple[Batches, Batches | None]]
    hearers: Sequence[Any] = ()


class _ScoreModule(pl.LightningModule):
    """A net that learns scores with AdamW; a batch is gone through in pieces of `piece` items."""

    def __init__(self, net: SequenceNet, loss: Loss, train: Batches, valid: Batches | None, training: Training) -> None:
        super().__init__()
        self.automatic_optimization = False  # the pieces of a batch are ours, and a step costs less
        self.net, self.loss, self.training_ = net, loss, training
        self.stages = {"train": train, "valid": valid}
        self.piece = train.per_batch
        self.check_every = 1 if torch.device(train.device).type == "cpu" else CHECK_EVERY
        self.pending: list[tuple[int, Tensor, Tensor]] = []
        self.sums: dict[str, list[Any]] = {"train": [0.0, 0.0], "valid": [0.0, 0.0]}

    def training_step(self, index: Tensor, number: int) -> None:
        optimizer: Any = self.trainer.optimizers[0]
        optimizer.zero_grad()
        loss, weight = self._through(index, "train", backward=True)
        if self.training_.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.training_.gradient_clip)
        optimizer.step()
        self._keep("train", loss, weight)
        self.pending.append((number, loss, index))
        if len(self.pending) >= self.check_every:
            self.look()

    def validation_step(self, index: Tensor, number: int) -> None:
        self._keep("valid", *self._through(index, "valid", backward=False))

    def _through(self, index: Tensor, stage: str, backward: bool) -> tuple[Tensor, Tensor]:
        """The mean loss of a batch, taken piece by piece, and the sum of its weights."""
        batches: Any = self.stages[stage]
        whole = batches.weigh(index).sum()
        loss: Any = 0.0
        for piece in batches.pieces(index, self.piece) if backward else (index,):
            x, target, weight = batches.gather(piece)
            out = batches.outputs(self.net, x).float()
            each = out.unbind() if backward and self.net.members > 1 else (out,)  # members learn each by itself
            part: Any = sum(self.loss.mean(one, target, weight, batches.bars(piece)) for one in each) / len(each)
            if len(piece) < len(index):
                part = part * (weight.sum() / whole)
            if backward:
                part.backward()  # Lightning's hooks around it have no listener and cost a twentieth of a small step
            loss = loss + part.detach()
        return loss, whole

    def _keep(self, stage: str, loss: Tensor, weight: Tensor) -> None:
        total = self.sums[stage]
        total[0] = total[0] + loss * weight  # stays on the device until the epoch ends
        total[1] = total[1] + weight

    def look(self) -> None:
        """Diverged if any loss since the last look is not a number."""
        pending, self.pending = self.pending, []
        if not pending or math.isfinite(float(sum(loss for _, loss, _ in pending))):
            return
        number, loss, index = next(x for x in pending if not math.isfinite(float(x[1])))
        batches: Any = self.stages["train"]
        facts = {"loss": float(loss), "epoch": self.current_epoch + 1, "step": number, **batches.facts(index)}
        raise Diverged({**facts, "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"]})

    def mean_loss(self, stage: str) -> float | None:
        """The stage's mean loss since this was last asked."""
        total, weight = self.sums[stage]
        self.sums[stage] = [0.0, 0.0]
        return float(total) / float(weight) if float(weight) else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        settings = self.training_
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.AdamW(
            self.net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=fused
        )


class _EarlyStopping(pl.Callback):
    """Per epoch: seeds it, keeps and logs its losses, stops where `epochs` says so, and writes the checkpoint that
    training can go on from."""

    def __init__(self, epochs: Epochs, checkpoint: Path | None) -> None:
        self.epochs, self.checkpoint = epochs, checkpoint

    def state_dict(self) -> dict[str, Any]:
        return self.epochs.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs.load_state_dict(state_dict)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        torch.manual_seed(self.epochs.seed(epoch))
        trainer.val_check_batch = float("inf")  # after the last batch: epochs of chunks and of bars differ in length
        pl_module.stages["train"].epoch = epoch
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.epochs.rate(epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.look()
        epoch = trainer.current_epoch
        losses = [pl_module.mean_loss(stage) for stage in ("train", "valid")]
        self.epochs.add(epoch, trainer.optimizers[0].param_groups[0]["lr"], losses)
        for logger in trainer.loggers:  # of the user's
            known = zip(NAMES, self.epochs.history[-1][1:], strict=True)
            logger.log_metrics({name: value for name, value in known if value is not None}, epoch)
        net = pl_module.net
        trainer.should_stop = self.epochs.judge(
            lambda: {name: x.detach().cpu().clone() for name, x in net.state_dict().items()}
        )
        if self.checkpoint is not None:
            with replacing(self.checkpoint) as beside:
                trainer.save_checkpoint(beside)


def train(
    task: Task, training: Training, context: FitContext, plan: Plan, checkpoint: Path | None = None
) -> SequenceNet:
    """A copy of the task's net trained by `plan`, on the CPU, with the weights of its best epoch."""
    torch.set_num_threads(context.threads)
    one = backend(plan.device)
    watch = Epochs(context, training)
    net = copy.deepcopy(task.net)
    known = checkpoint if checkpoint is not None and checkpoint.exists() else None
    if known:
        saved = torch.load(known, weights_only=True, map_location="cpu")
        ours = ("_EarlyStopping", "EarlyStopping", "Watch")  # of runs begun before the class was renamed, too
        watch.load_state_dict(next(v for k, v in saved["callbacks"].items() if k.startswith(ours)))
        watch.tell(watch.history)
    if not watch.done:
        train_batches, valid_batches = task.batches(one.device)
        one.place(net)
        module = _ScoreModule(net, task.loss, train_batches, valid_batches, training)
        module.piece = max(1, plan.micro_batch // train_batches.rows_each)
        with quiet(), kept_heap(), compiled(net, training.compile, context):
            trainer = trainer_of(
                training, one.accelerator, [_EarlyStopping(watch, checkpoint), *watchers(context)],
                copy.deepcopy(task.hearers),
            )  # fmt: skip
            try:
                trainer.fit(module, train_batches, valid_batches, ckpt_path=known,
                            weights_only=True)  # fmt: skip
            except SystemExit:  # what Lightning makes of Ctrl-C
                raise KeyboardInterrupt from None
        net = net.cpu()
        one.empty_cache()  # the next fold, or the next job, begins with all of the memory
    if watch.weights is not None:
        net.load_state_dict(watch.weights)
    context.facts.update(epochs=len(watch.history), best_epoch=watch.best_epoch + 1)
    return net.eval()
