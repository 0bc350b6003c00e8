"""An Optuna study as a source of trials: its storage lasts, is shared between processes, and is gone on with."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from barwise.console.settings import OneOf, Seed, Whole, check_fields
from barwise.errors import ConfigError, require
from barwise.runs.directory import RunDirectory
from barwise.safety.files import inside
from barwise.sweeps.claims import alive, myself, state_of
from barwise.sweeps.runner import Trial
from barwise.sweeps.search import Dimension, every, suggest, words

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

SAMPLERS = ("grid", "random", "tpe")
_SUPERSEDED = "superseded"  # a user attribute of trials that do not count: interrupted, or one more than was wanted
_STUDY = "study.db"
_OWNER, _SEEN = "owner", "seen"


@dataclass(frozen=True)
class Plan:
    """What a study is to do: conf/hydra/sweeper/study.yaml."""

    sampler: Annotated[str, OneOf(SAMPLERS)]
    n_trials: Annotated[int, Whole(1, 10**6)]
    startup: Annotated[int, Whole(1, 10**6)]
    seed: Seed
    directions: tuple[str, ...]
    retry: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "hydra.sweeper")


def address(storage: str | None, folder: Path) -> str:
    """The storage's address: SQLite in the sweep's directory unless another is given."""
    if storage:
        return storage
    folder.mkdir(parents=True, exist_ok=True)
    inside(folder, _STUDY)  # SQLite would write through a link
    return f"sqlite:///{folder.absolute() / _STUDY}"


def storage_at(url: str, tries: int = 5) -> Any:
    """Optuna's storage; ConfigError where there is no Optuna, no driver or no database."""
    try:
        import optuna
    except ImportError:
        raise ConfigError("hydra/sweeper=study needs Optuna; pip install 'barwise[optuna]'") from None
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        raise ConfigError(f"hydra.sweeper.storage: its driver is not installed ({error}); pip install it") from None
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        if tries and isinstance(error, sqlalchemy.exc.IntegrityError | sqlalchemy.exc.ProgrammingError):
            time.sleep(0.5)  # another process makes the same tables at this moment
            return storage_at(url, tries - 1)
        told = str(error).splitlines()[0]
        raise ConfigError(f"hydra.sweeper.storage: cannot be used ({told}); check the address") from None


def opened(url: str, name: str, plan: Plan) -> tuple[Study, bool]:
    """The study, and whether this process made it; one that is there must compare the same way."""
    storage = storage_at(url)
    import optuna

    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=[*plan.directions])  # type: ignore[list-item]
        study.sampler = _sampler(plan, plan.seed)
        return study, True
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    there = tuple(d.name.lower() for d in study.directions)
    require(there == plan.directions, f"sweep.name={name}: that study has directions {', '.join(there)}; name another")
    try:
        n = len(study.get_trials(deepcopy=False))
    except (ValueError, KeyError, TypeError) as error:  # what JSON and Optuna say of damaged rows
        raise ConfigError(f"sweep.name={name}: its study cannot be read ({error!r:.100}); name another") from None
    study.sampler = _sampler(
        plan, hash((plan.seed, n, os.getpid())) % 2**32
    )  # else it would draw the same points again
    return study, False


def _sampler(plan: Plan, seed: int) -> Any:
    """Optuna's sampler; a grid's trials wait in the storage, and no sampler is asked."""
    import warnings

    import optuna

    if plan.sampler != "tpe":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=plan.startup, constant_liar=True)


@dataclass
class StudySource:
    """Trials as the study proposes them, until `plan.n_trials` have ended, in however many processes."""

    study: Study
    made: bool
    plan: Plan
    dimensions: Sequence[Dimension]
    fixed: Sequence[str]
    folder: Path
    running: dict[int, Any] = field(default_factory=dict)
    owner: str = field(default_factory=myself)
    retried: bool = False

    def __post_init__(self) -> None:
        self.total = self.plan.n_trials
        if self.plan.sampler == "grid":
            self.total = self._lay_out()
        if self.plan.retry:
            for trial in self._counted():
                if trial.state.name == "FAIL":
                    self._again(trial)
        self.take_up()

    def finished(self) -> int:
        """How many trials have ended and count."""
        return sum(t.state.is_finished() for t in self._counted())

    def next(self) -> Trial | None:
        self.take_up()
        if not self._waiting() and len(self._counted()) >= self.total:
            return None
        trial = self.study.ask()
        before = sum(t.number < trial.number for t in self._counted())
        if before >= self.total:  # another process was first
            self._drop(trial._trial_id)
            return None
        trial.set_user_attr(_OWNER, self.owner)
        trial.set_user_attr(_SEEN, time.time())
        chosen = words(suggest(trial, self.dimensions))
        self.running[trial.number] = trial
        place = f"hydra.sweep.subdir={trial.number}"  # whichever launcher runs it
        return Trial(trial.number, (*self.fixed, *chosen, place), " ".join(chosen))

    def exhausted(self) -> bool:
        self.take_up()
        counted = self._counted()
        return len(counted) >= self.total and all(t.state.is_finished() for t in counted)

    def ended(self, trial: Trial, status: str, values: list[float] | None) -> None:
        """Tell the study: what is undefined counts as failed, since there is nothing to learn from."""
        from optuna.trial import TrialState

        told = self.running.pop(trial.number)
        if status == "done" and values is not None:
            self.study.tell(told, values)
        elif status == "pruned" and told.study._storage.get_trial(told._trial_id).intermediate_values:
            self.study.tell(told, state=TrialState.PRUNED)
        else:
            self.study.tell(told, state=TrialState.FAIL)

    def say_alive(self) -> None:
        for trial in self.running.values():
            trial.set_user_attr(_SEEN, time.time())

    def take_up(self) -> None:
        """Trials that were running in a process that is gone: their parameters are tried again."""
        for trial in self._trials():
            attributes = trial.user_attrs
            if trial.state.name != "RUNNING" or trial.number in self.running:
                continue
            owner, seen = attributes.get(_OWNER), float(attributes.get(_SEEN, time.time()))
            if owner is None:  # asked for a moment ago, or by a process that died in that moment
                started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
                gone = time.time() - started > 60
            else:
                gone = not alive(owner, seen)
            if gone and self._drop(trial._trial_id):
                self._again(trial, superseded=True)
                self._close(self.folder / str(trial.number))

    def _close(self, run: Path) -> None:
        """Say in the directory of a trial that was cut off that it runs again under another number."""
        state = state_of(run)
        if state.get("status") == "running":
            out = RunDirectory(run, {**state, "interrupted": True})
            out.finish("failed", "interrupted; it runs again under another number")

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _counted(self) -> list[FrozenTrial]:
        return [t for t in self._trials() if _SUPERSEDED not in t.user_attrs]

    def _waiting(self) -> bool:
        return any(t.state.name == "WAITING" for t in self._trials())

    def _again(self, trial: FrozenTrial, superseded: bool = False) -> None:
        """Put the trial's parameters in the queue; the trial itself no longer counts."""
        if not superseded:
            self.study._storage.set_trial_user_attr(trial._trial_id, _SUPERSEDED, True)
        if trial.params:
            self.study.enqueue_trial(trial.params, user_attrs={"again": trial.number})

    def _drop(self, trial_id: int) -> bool:
        """End a trial so that it does not count; False where another process did it first."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self.study._storage.set_trial_user_attr(trial_id, _SUPERSEDED, True)
            return bool(self.study._storage.set_trial_state_values(trial_id, state=TrialState.FAIL))
        except UpdateFinishedTrialError:
            return False

    def _lay_out(self) -> int:
        """Put every combination in the queue, once: who made the study does it, the others wait for that."""
        cells = list(every(self.dimensions))
        until = time.monotonic() + 60
        while not self.made and "grid" not in self.study.user_attrs and time.monotonic() < until:
            time.sleep(0.2)
        there = [t.system_attrs.get("fixed_params", t.params) for t in self._trials()]
        for cell in cells:
            if cell not in there:
                self.study.enqueue_trial(cell)
        self.study.set_user_attr("grid", len(cells))
        known = [t for t in self._counted() if t.system_attrs.get("fixed_params", t.params) not in cells]
        return len(cells) + len(known)  # what was there before and is no part of this grid stays
