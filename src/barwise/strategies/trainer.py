"""Lightning's Trainer as barwise uses it: quiet, watched, and without what a run has of its own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger

from barwise.strategies.base import FitContext
from barwise.strategies.nets import SequenceNet
from barwise.strategies.step_timing import Profile, StepTimer
from barwise.strategies.training import Training


def trainer_of(
    training: Training, accelerator: str, callbacks: list[pl.Callback], hearers: Sequence[Any] = ()
) -> pl.Trainer:
    """Lightning's Trainer without what the run has of its own: files, progress bar and logs; `hearers`: the user's
    callbacks and loggers."""
    loggers = [one for one in hearers if isinstance(one, Logger)]
    callbacks = [*callbacks, *(one for one in hearers if not isinstance(one, Logger))]
    precision: Any = str(training.precision)
    return pl.Trainer(
        accelerator=accelerator,
        devices=1,
        precision=precision,
        max_epochs=training.epochs,
        callbacks=callbacks,
        logger=loggers or False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def watchers(context: FitContext) -> list[pl.Callback]:
    """What tells the run's monitor of steps and memory, and the profiler where it is asked for."""
    found: list[pl.Callback] = [StepTimer(context)]
    if context.profile and context.folder is not None:
        found.append(Profile(context.folder.parents[1] / "profile", context))
    return found


@contextmanager
def compiled(net: SequenceNet, wanted: bool, context: FitContext) -> Iterator[None]:
    """The net's body through torch.compile while this lasts; where that fails, an alert and the net as it is."""
    if not wanted:
        yield
        return
    import torch._dynamo

    before = torch._dynamo.config.suppress_errors
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
    net.hidden = torch.compile(net.hidden)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del net.hidden
        torch._dynamo.config.suppress_errors = before


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
