"""Progress on a terminal: a bar over folds with the epoch or round beside it, and of every other stage that takes its
time its name and the seconds so far, on one line that is gone afterwards; nothing where nobody looks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from barwise.listener import Listener

_PATIENCE = 2.0  # seconds of a stage before it is shown


class Progress(Listener):
    """A bar over folds and a note beside it, or a stage's name and time; silent when quiet or when standard error is
    not a terminal."""

    running: ClassVar[Progress | None] = None  # the one whose stage is under way

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._total: int | None = None
        self._stage: threading.Timer | None = None
        self._text = ""
        self._lock = threading.RLock()  # the timer's thread opens what this one closes

    def stage(self, name: str | None) -> None:
        """Show a stage once it has taken two seconds; None takes it away."""
        Progress.running = None if name is None else self
        self._text = ""
        if self.quiet:
            return
        before, self._stage = self._stage, None
        if before is not None:
            before.cancel()
            before.join()  # a thread that lives on would keep the run from forking processes
            self._close()
        with self._lock:
            if name is not None:
                self._stage = timer = threading.Timer(_PATIENCE, lambda: self._show(name, timer))
                timer.daemon = True
                timer.start()

    def _show(self, name: str, timer: threading.Timer) -> None:
        with self._lock:
            if self._stage is timer and self._bar is None:
                self._open(name, None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show a bar named `what`, with the time left; it is gone when all is done."""
        if self.quiet:
            return
        if done >= total:
            self._close()
            return
        with self._lock:
            if self._total != total:  # a stage without a number is shown
                self._close()
            if self._bar is None:
                self._open(what, total)
            self._bar.update(self._task, completed=done)

    def note(self, text: str) -> None:
        """Show `text`, such as the epoch, beside the bar."""
        with self._lock:
            self._text = text
            if self._bar is not None:
                self._bar.update(self._task, note=text)

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.stage(None)
        self._close()

    def _open(self, what: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        name, note = TextColumn("{task.description}"), TextColumn("{task.fields[note]}", style="dim")
        counted = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note)
        columns = counted if total is not None else (name, TimeElapsedColumn(), note)
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task, self._total = self._bar.add_task(what, total=total, note=self._text), total
        self._bar.start()

    def _close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = self._total = None


@contextmanager
def beside(text: str) -> Iterator[None]:
    """Show what takes its time: beside the stage that is under way, else as a stage of its own."""
    shown = Progress.running
    alone = Progress() if shown is None else None
    if shown is not None:
        shown.note(text)
    elif alone is not None:
        alone.stage(text)
    try:
        yield
    finally:
        if shown is not None:
            shown.note("")
        elif alone is not None:
            alone.stage(None)
