"""A batch of overrides as trials that are claimed one by one, so that a sweep can be resumed and shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from barwise.errors import ConfigError
from barwise.experiment.effects import check_sweep
from barwise.sweeps.claims import Claims, key_of
from barwise.sweeps.outcome import values_of
from barwise.sweeps.progress import SweepProgress
from barwise.sweeps.runner import Trial, TrialRunner

RETRY = (None, "failed")


def run_batch(isolation: TrialRunner, batch: list[list[str]], first: int) -> list[Any]:
    """Run what is missing of the batch; each job's objective, None for one that did not end well.

    Trials are told by their overrides: those of this sweep that are done keep their numbers and are not run again.
    """
    retry = isolation.sweep.retry
    if retry not in RETRY:
        raise ConfigError(f"sweep.retry={retry}: must be null or failed")
    check_sweep(isolation.sweep.overrides, isolation.sweep.folder, retry)
    source = _Batch(Claims(isolation.sweep.folder, retry=retry == "failed"), batch, first)
    watch = SweepProgress(source.total, isolation.pool.slots, isolation.sweep.quiet)
    watch.keep(source.total - len(source.left()))
    isolation.work(source, watch)
    return [source.value(key, isolation.sweep.objectives) for key in source.keys]


@dataclass
class _Batch:
    """The jobs of a batch in order; each is claimed when there is room for it."""

    claims: Claims
    batch: list[list[str]]
    first: int
    total: int = 0
    keys: list[str] = field(default_factory=list)
    running: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = [key_of(words) for words in self.batch]
        self.total = len(set(self.keys))
        self.same = set.intersection(*map(set, self.batch)) if len(self.batch) > 1 else set()
        self.open = {key: i for i, key in reversed(list(enumerate(self.keys)))}
        self.open = dict(sorted(self.open.items(), key=lambda item: item[1]))  # the first of equal ones, in order

    def left(self) -> list[str]:
        """Trials that are not known to be finished; those that are need not be looked at again."""
        self.open = {key: i for key, i in self.open.items() if not self.claims.finished(key)}
        return list(self.open)

    def next(self) -> Trial | None:
        for key, i in list(self.open.items()):
            number = self.claims.take(key, self.first + i)
            if number is not None:
                del self.open[key]
                self.running[number] = key
                return Trial(number, tuple(self.batch[i]), " ".join(w for w in self.batch[i] if w not in self.same))
            if self.claims.finished(key):
                del self.open[key]
        return None

    def exhausted(self) -> bool:
        return not self.left()

    def ended(self, trial: Trial, status: str, values: list[float] | None) -> None:
        del self.running[trial.number]

    def say_alive(self) -> None:
        self.claims.say_alive(self.running.values())

    def value(self, key: str, objectives: Sequence[str]) -> Any:
        """What the job returned: one float, or several for several objectives."""
        number = self.claims.number(key)
        values = None if number is None else values_of(self.claims.sweep / str(number), objectives)
        return values[0] if values and len(values) == 1 else values
