"""Progress on a terminal: a bar over folds with the epoch or round beside it; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barwise.listener import Listener


class Progress(Listener):
    """A bar over folds and a note beside it; silent when quiet or when standard error is not a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Show a bar named `what`, with the time left; it is gone when all is done."""
        if self.quiet:
            return
        if done >= total:
            self._close()
            return
        if self._bar is None:
            self._open(what, total)
        self._bar.update(self._task, completed=done)

    def note(self, text: str) -> None:
        """Show `text`, such as the epoch, beside the bar."""
        if self._bar is not None:
            self._bar.update(self._task, note=text)

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._close()

    def _open(self, what: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        note = TextColumn("{task.fields[note]}", style="dim")
        self._bar = RichProgress(*columns, note, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(what, total=total, note="")
        self._bar.start()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
