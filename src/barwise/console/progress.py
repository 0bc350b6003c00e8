"""Progress on a terminal: a bar over folds with the epoch or round beside it; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any


class Progress:
    """A bar over folds and a note beside it; silent when quiet or when standard error is not a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def over(self, items: Sequence[Any], what: str) -> Iterator[Any]:
        """Iterate over `items` under a bar named `what`, with the time left."""
        if self.quiet:
            yield from items
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        note = TextColumn("{task.fields[note]}", style="dim")
        with RichProgress(*columns, note, console=Console(stderr=True), transient=True) as bar:
            self._bar, self._task = bar, bar.add_task(what, total=len(items), note="")
            for item in items:
                yield item
                bar.advance(self._task)
            self._bar = None

    def note(self, text: str) -> None:
        """Show `text`, such as the epoch, beside the bar."""
        if self._bar is not None:
            self._bar.update(self._task, note=text)
