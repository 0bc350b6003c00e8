"""TensorBoard events, written by tensorboardX so that a tree run needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def writer_class() -> Any:
    """tensorboardX's writer; it imports torch if it can, which costs a tree run 1.4 s, so it is told there is none."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # an import of torch raises ImportError
    try:
        from tensorboardX import SummaryWriter
    finally:
        if hidden:
            del sys.modules["torch"]
    return SummaryWriter


OPEN: dict[Path, Any] = {}  # one writer a folder: TensorBoard may pass over a second event file of the same run


def writer_of(folder: Path) -> Any:
    """The writer of a run's event folder, opened when first asked for."""
    if folder not in OPEN:
        OPEN[folder] = writer_class()(str(folder), flush_secs=30)
    return OPEN[folder]


def close_writer(folder: Path) -> None:
    """Close the folder's event file, if it is open."""
    if folder in OPEN:
        OPEN.pop(folder).close()


class Board:
    """The run's event file: `fold-<k>/<scalar>` per epoch or round, `metrics/<name>` once at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.curves: dict[str, dict[str, list[list[float]]]] = {}  # what curves.json holds
        self._writer = writer_of(folder)

    def fold_logger(self, fold: int) -> Callable[[str, float, int], None]:
        """A `log(name, value, step)` for one fold."""
        curves = self.curves.setdefault(f"fold-{fold}", {})

        def log(name: str, value: float, step: int) -> None:
            self._writer.add_scalar(f"fold-{fold}/{name}", float(value), int(step))
            curves.setdefault(name, []).append([int(step), float(value)])

        return log

    def scalar(self, name: str, value: float, step: int) -> None:
        """One scalar under its own name."""
        self._writer.add_scalar(name, float(value), int(step))

    def metrics(self, metrics: Mapping[str, Any]) -> None:
        """Final metrics, per fold and overall."""
        for name, value in metrics.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(f"metrics/{name}", float(value), 0)
        for fold in metrics["folds"]:
            for name in ("sharpe", "rank_ic", "accuracy"):
                if fold.get(name) is not None:
                    self._writer.add_scalar(f"folds/{name}", float(fold[name]), fold["fold"])

    def equity(self, equity: Any) -> None:
        """The equity curve, one point a bar, at most 500 of them."""
        step = max(1, len(equity) // 500)
        for i in range(0, len(equity), step):
            self._writer.add_scalar("backtest/equity", float(equity[i]), i)

    def flush(self) -> None:
        """What was written so far into the file; it stays open for the run's ending."""
        self._writer.flush()
