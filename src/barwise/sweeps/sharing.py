"""What trials of the same parts share, made in the process that they are forked from."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from barwise.audit.process import CleanProcess
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.experiment.auditing import past_work
from barwise.experiment.compute import threads_of
from barwise.experiment.configuration import plain
from barwise.experiment.fitting import prepare_fit
from barwise.experiment.groundwork import groundwork
from barwise.experiment.recipe import parts_of
from barwise.experiment.session import ranges_of
from barwise.experiment.shared import Shared, key_of
from barwise.runs.directory import RunDirectory


def prepare(config: Mapping[str, Any]) -> None:
    """Read the bars of a trial's configuration and do its groundwork, for those that are forked afterwards.

    What fails, or is said meanwhile, is for each trial to report: it does itself what it does not find.
    """
    with _silent(), contextlib.suppress(Exception), tempfile.TemporaryDirectory(prefix="barwise-shared-") as folder:
        composed = OmegaConf.create({name: node for name, node in config.items() if name != "hydra"})
        shared = Shared(key_of(plain(composed)), keeps=True)
        if shared.key is None:
            return
        parts = parts_of(composed)
        market = check_market(parts.data())
        out = RunDirectory(Path(folder))
        out.start()
        out.update(data_hash=data_hash(market))
        clean = CleanProcess(past_work(parts, market.bars, market.universe)) if parts.audit != "none" else None
        try:
            ground = groundwork(parts, market, threads_of(parts), clean, out, shared)
            ground.grid()
            for fold in ground.folds:
                prepare_fit(ground.panel, fold, parts.strategy)
                ranges_of(ground.panel, fold, ground.common)
        finally:
            if clean is not None:
                clean.close()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What is printed within is not heard."""
    kept = [os.dup(number) for number in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nothing, number)
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)
        os.close(nothing)
