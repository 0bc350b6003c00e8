"""TensorBoard events, written by tensorboardX so that a tree run needs no torch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.hidden import hidden
from barwise.listener import Listener


@cache
def writer_class() -> Any:
    """tensorboardX's writer, onto `Events`; it imports torch if it can, which costs a tree run 1.4 s, so it is told
    there is none."""
    with hidden("torch"):
        from tensorboardX.writer import FileWriter, SummaryWriter

    class Files(FileWriter):  # type: ignore[misc]  # tensorboardX has no types
        def __init__(self, folder: str, flush_secs: float) -> None:
            self.event_writer = _Events(folder, flush_secs)
            self._default_metadata: dict[str, Any] = {}

    class Writer(SummaryWriter):  # type: ignore[misc]
        file_writer: Any
        all_writers: Any

        def _get_file_writer(self) -> Any:
            if self.all_writers is None or self.file_writer is None:
                self.file_writer = Files(self.logdir, self._flush_secs)
                self.all_writers = {self.logdir: self.file_writer}
            return self.file_writer

    return Writer


class _Events:
    """An event file written as events come, in place of tensorboardX's thread and queue: where that thread has died of
    a full disk, whoever fills or closes the queue waits for ever.

    What cannot be written is kept in `error` and raised when the file is closed; the run itself goes on.
    """

    def __init__(self, folder: str, flush_secs: float) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        self.folder, self.flush_secs = folder, flush_secs
        self.error: OSError | None = None
        self.flushed = time.monotonic()
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.file: Any = EventsWriter(os.path.join(folder, "events"))

    def get_logdir(self) -> str:
        return self.folder

    def add_event(self, event: Any) -> None:
        self._do(lambda: self.file.write_event(event))
        if time.monotonic() - self.flushed > self.flush_secs:
            self.flush()

    def flush(self) -> None:
        self._do(lambda: self.file.flush())
        self.flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left; OSError, once, where something could not be written since the file was opened."""
        if self.file is None:
            return
        self.flush()
        with suppress(OSError):
            self.file._py_recordio_writer.close()
        self.file = None
        if self.error is not None:
            raise self.error

    def _do(self, action: Callable[[], object]) -> None:
        if self.file is None or self.error is not None:
            return
        try:
            action()
        except OSError as error:
            self.error = OSError(error.errno, error.strerror, self.folder)


class Board(Listener):
    """The run's event file: `<scalar>/fold-<k>` per epoch or round, `metrics/<name>` and equity at the end.

    One file a run: TensorBoard may pass over a second one in the same folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def writer(self) -> Any:
        """tensorboardX's writer, opened when something is to be written."""
        return writer_class()(str(self.folder), flush_secs=30)

    def scalar(self, name: str, value: float, step: int) -> None:
        """One scalar under its own name; of a fold as `train_loss/fold-0`, so that the folds share a card's group."""
        fold, _, what = name.partition("/")
        shown = f"{what}/{fold}" if fold.startswith("fold-") and what else name
        self.writer.add_scalar(shown, float(value), int(step))

    def finished(self, metrics: Mapping[str, Any], equity: np.ndarray) -> None:
        """Final metrics, per fold and overall; the equity curve, at most 500 points of it."""
        for name, value in metrics.items():
            if isinstance(value, (int, float)):
                self.scalar(f"metrics/{name}", value, 0)
        for fold in metrics["folds"]:
            for name in ("sharpe", "rank_ic", "accuracy"):
                if fold.get(name) is not None:
                    self.scalar(f"folds/{name}", fold[name], fold["fold"])
        step = max(1, len(equity) // 500)
        for i in range(0, len(equity), step):
            self.scalar("backtest/equity", equity[i], i)
        self.writer.flush()

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.close()

    def close(self) -> None:
        """Close the event file; OSError, once, where something could not be written."""
        if "writer" in vars(self):
            vars(self).pop("writer").close()
