"""The one LightningModule, and the one training loop for nets."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from barwise.devices.steps import Profile, StepTimer
from barwise.strategies.base import FitContext


class ScoreModule(pl.LightningModule):
    """A net that learns scores: weighted mean squared error on y, AdamW."""

    def __init__(self, net: nn.Module, learning_rate: float, weight_decay: float) -> None:
        super().__init__()
        self.net = net
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.sums = {"train": [0.0, 0.0], "valid": [0.0, 0.0]}

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        return self._loss(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        return self._loss(batch, "valid")

    def _loss(self, batch: tuple[Tensor, Tensor, Tensor], stage: str) -> Tensor:
        x, y, weight = batch
        loss = (weight * (self(x) - y) ** 2).sum() / weight.sum()
        total = self.sums[stage]
        total[0] = total[0] + loss.detach() * len(y)  # stays on the device until the epoch ends
        total[1] += len(y)
        return loss

    def mean_loss(self, stage: str) -> float | None:
        """The stage's mean loss since this was last asked."""
        total, rows = self.sums[stage]
        self.sums[stage] = [0.0, 0.0]
        return float(total) / rows if rows else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)


class Watch(pl.Callback):
    """Per epoch: logs both losses, keeps the best weights by the validation loss, stops after `patience` worse ones."""

    def __init__(self, context: FitContext, epochs: int, patience: int) -> None:
        self.context, self.epochs, self.patience = context, epochs, patience
        self.best, self.best_epoch = float("inf"), -1
        self.weights: dict[str, Any] | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        losses = {stage: pl_module.mean_loss(stage) for stage in ("train", "valid")}
        for stage, loss in losses.items():
            if loss is not None:
                self.context.log(f"{stage}_loss", loss, epoch)
        if self.context.progress:
            self.context.progress(f"epoch {epoch + 1} of at most {self.epochs}")
        watched = losses["valid"] if losses["valid"] is not None else losses["train"]
        if self.context.report and watched is not None:
            self.context.report(watched, epoch)
        if watched is not None and watched < self.best:
            self.best, self.best_epoch = watched, epoch
            self.weights = copy.deepcopy(pl_module.net.state_dict())
        trainer.should_stop = epoch - self.best_epoch >= self.patience


def train(net: nn.Module, batches: Any, valid: Any, context: FitContext, settings: dict[str, Any]) -> nn.Module:
    """Train `net` on the context's device and leave it on the CPU with the weights of its best epoch."""
    torch.set_num_threads(context.threads)
    watch = Watch(context, settings["epochs"], settings["patience"])
    with quiet():
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(context.device, context.device),
            devices=1,
            max_epochs=settings["epochs"],
            gradient_clip_val=settings["gradient_clip"],
            callbacks=[watch, *watchers(context)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = ScoreModule(net, settings["learning_rate"], settings["weight_decay"])
        trainer.fit(module, batches, valid)
    net = net.cpu()
    if watch.weights is not None:
        net.load_state_dict(watch.weights)
    context.facts.update(epochs=trainer.current_epoch, best_epoch=watch.best_epoch + 1)
    return net.eval()


def watchers(context: FitContext) -> list[pl.Callback]:
    """What tells the run's monitor of steps and memory, and the profiler where it is asked for."""
    found: list[pl.Callback] = [StepTimer(context)]
    if context.profile and context.folder is not None:
        found.append(Profile(context.folder.parents[1] / "profile", context))
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's banners and its advice on workers; errors still come through."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    before = [x.level for x in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
