"""Who may stop a run that does worse than others did by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest
from barwise.experiment.results import OutOfSample


class Pruner(Protocol):
    """Hears of each fold, or of each epoch, and raises Pruned where the run is to stop."""

    def on(self, grid: Grid, backtest: Backtest, per_year: float) -> Self:
        """The same, trading what it is told of on these bars."""
        ...

    def fold(self, parts: Sequence[OutOfSample]) -> None:
        """The folds scored so far."""
        ...

    def epoch(self, fold: int) -> Callable[[float, int], None] | None:
        """What hears (validation loss, epoch) of a fold; None where epochs do not count."""
        ...
