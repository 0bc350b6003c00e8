"""Parameters chosen inside each fold: Optuna on purged inner folds of the fold's own training rows.

The outer result is honest, as no validation or test row is seen: what was tried inside a fold is no trial of the run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Fraction, OneOf, Whole, check_fields
from barwise.errors import BarwiseError, ConfigError, chain_of, require
from barwise.samples import Samples, direction
from barwise.strategies.association import pearson, spearman
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Explained, Stateful, needs_torch
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import Member, offer_reasons
from barwise.strategies.space import Range, space_of
from barwise.validation.folds import Fold
from barwise.validation.nested import inner_folds

SAMPLERS = ("auto", "tpe", "gp", "random")
_FEW = 4  # parameters up to which Gaussian processes are worth their time
_ASKED = 100  # suggestions without anything new, after which there is nothing

Build = Callable[[Mapping[str, Any], bool], Strategy]  # parameters, and whether for the final fit


def _loss_of(score: np.ndarray, samples: Samples) -> float:
    """Less the mean squared distance of score and sign of the return: the larger the better, as the others are."""
    return -float(np.mean((np.nan_to_num(score) - direction(samples.ret)) ** 2))


OBJECTIVES: dict[str, Callable[[np.ndarray, Samples], float]] = {
    "rank_ic": lambda score, samples: spearman(score, samples.ret),
    "ic": lambda score, samples: pearson(score, samples.ret),
    "squared_error": _loss_of,
}


@dataclass(frozen=True)
class Search:
    """How parameters are chosen inside a fold.

    `space`: settings of the strategy by dotted name, each a list of choices or low and high. `trials`: the budget of
    each fold, the configured parameters first. `folds`: inner ones, walk-forward. `sampler`: auto takes Gaussian
    processes (gp, which need torch) for nets with few numeric parameters, else tpe. `patience`: a search ends
    that found nothing better in so many trials; null never. `prune_below`: a trial whose inner folds are
    worse than the best one's by a Wilcoxon test at this level is given up (Optuna's WilcoxonPruner); null never.
    """

    space: Mapping[str, Any] = field(default_factory=dict)
    trials: Annotated[int, Whole(1, 10_000)] = 20
    folds: Annotated[int, Whole(1, 100)] = 4
    sampler: Annotated[str, OneOf(SAMPLERS)] = "auto"
    objective: Annotated[str, OneOf(tuple(OBJECTIVES))] = "rank_ic"
    patience: Annotated[int, Whole(1, 10_000)] | None = 15
    prune_below: Fraction | None = 0.1

    def __post_init__(self) -> None:
        check_fields(self, "search")
        space_of(self.space)

    def study(self, strategy: Strategy, seed: int) -> Any:
        """An Optuna study, in memory."""
        optuna = _optuna()
        space = space_of(self.space)
        name = self.sampler
        if name == "auto":
            few = len(space) <= _FEW and not any(one.choice for one in space)
            name = "gp" if few and needs_torch(strategy) else "tpe"
        made = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler,
                "random": optuna.samplers.RandomSampler}[name]  # fmt: skip
        pruner = optuna.pruners.NopPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both are marked experimental
            if self.prune_below is not None:
                pruner = optuna.pruners.WilcoxonPruner(p_threshold=self.prune_below, n_startup_steps=min(2, self.folds))
            return optuna.create_study(direction="maximize", sampler=made(seed=seed % 2**32), pruner=pruner), name


class Searched:
    """A strategy whose parameters are chosen anew in each fold, then fit on all of the fold's training rows.

    `build(parameters, final)`: the strategy with these settings; a trial inside a fold averages no seeds, the final
    fit does.
    """

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    def __init__(self, build: Build, search: Search, fixed: Mapping[str, Any] | None = None) -> None:
        self.build, self.search, self.fixed = build, search, fixed
        space = space_of(search.space)
        require(
            len(space) > 0, "search.space: names no setting of this strategy; name some, as in"
            " +search.space.max_depth=[2,3,4], or search=none",
        )  # fmt: skip
        edges = [_built(build, one, value) for one in space for value in one.edges]  # those between are as good
        self.strategy = build({}, True)
        offer(self, self.strategy, *edges)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        chosen = dict(self.fixed) if self.fixed is not None else self._search(train, context)
        part = Part(self.build(chosen, True))
        own = part_context(context, "chosen", heard=True)
        self._fitted(part.fit(train, valid, own))
        context.facts.update(own.facts)
        return self

    def _fitted(self, part: Part) -> None:
        self.part_ = part
        offer(self, part.strategy)
        offer_reasons(self, [Member(part)])
        if isinstance(part.strategy, Stateful):
            self.sequence, self.advance = part.strategy.sequence, _advance(part)

    def _search(self, train: Samples, context: FitContext) -> dict[str, Any]:
        """The parameters of the best trial; what was tried goes into the facts."""
        folds = inner_folds(train.panel, train.rows, self.search.folds)
        space = space_of(self.search.space)
        study, sampler = self.search.study(self.build({}, False), context.seed)
        own = float(np.mean(self._values({}, folds, train, context)))
        tried: dict[str, float | None] = {}
        chosen, value, since, ended = {}, own, 0, "budget"
        for number in range(1, self.search.trials):
            if context.progress:
                context.progress(f"inner trial {number + 1} of {self.search.trials}")
            if (new := untried(study, space, tried)) is None:
                ended = "nothing new to try"
                break
            found = self._values(new[1], folds, train, context, new[0])
            reached = float(np.mean(found)) if len(found) == len(folds) else None
            tried[repr(new[1])] = reached
            tell(study, new[0], reached)
            since += 1
            if reached is not None and reached > value:
                chosen, value, since = new[1], reached, 0
            if self.search.patience is not None and since >= self.search.patience:
                ended = f"nothing better in {self.search.patience} trials"
                break
        context.facts["search"] = {
            "chosen": chosen, "value": value, "configured": own, "trials": 1 + len(tried), "sampler": sampler,
            "pruned": sum(one is None for one in tried.values()), "ended": ended,
            "objective": self.search.objective,
        }  # fmt: skip
        return chosen

    def _values(
        self, chosen: Mapping[str, Any], folds: list[Fold], train: Samples, context: FitContext, trial: Any = None
    ) -> list[float]:
        """The objective on each inner fold, as far as the pruner let it."""
        found: list[float] = []
        for fold in folds:
            part = Part(self.build(chosen, False))
            learn, watch, test = (Samples(train.panel, rows) for rows in (fold.train, fold.valid, fold.test))
            seed = (context.seed + fold.number) % 2**31
            part.fit(learn, watch, replace(part_context(context, "inner"), folder=None, seed=seed))
            value = OBJECTIVES[self.search.objective](part.scores(test), test)
            found.append(value if math.isfinite(value) else 0.0)  # one score for all is no skill
            if trial is not None:
                trial.report(found[-1], fold.number)
                if fold.number + 1 < len(folds) and trial.should_prune():
                    break
        return found

    def predict(self, samples: Samples) -> np.ndarray:
        return self.part_.scores(samples)

    def importance(self) -> Mapping[str, float] | None:
        """That of the strategy chosen; None where it has none."""
        chosen = self.part_.strategy
        return chosen.importance() if isinstance(chosen, Explained) else None

    def budgeted(self, facts: Mapping[str, Any]) -> Searched:
        """The same with the parameters that were found on the earlier rows, for the rounds or epochs they took."""
        chosen = dict((facts.get("search") or {}).get("chosen") or {})
        return Searched(lambda given, final: budgeted(self.build(given, final), facts), self.search, chosen)

    def save(self, folder: Path) -> None:
        save_parts(folder, "searched", {"chosen": self.part_}, {})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, _ = load_parts(folder, "searched", cls.own_nets)
        model = cls.__new__(cls)
        model._fitted(parts["chosen"])
        return model


def untried(
    study: Any, space: list[Range], tried: Mapping[str, float | None]
) -> tuple[Any, dict[str, Any]] | None:  # fmt: skip
    """The study's next trial and its parameters, none of those `tried`; None where the sampler has nothing new.

    A sampler of choices suggests the best ones again and again. A repeated trial tells nothing and is no part of a
    budget: it is told what is known, and another one is asked for.
    """
    for _ in range(_ASKED):
        trial = study.ask()
        chosen = {one.name: one.suggest(trial) for one in space}
        if (key := repr(chosen)) not in tried:
            return trial, chosen
        tell(study, trial, tried[key])
    return None


def tell(study: Any, trial: Any, value: float | None) -> None:
    """Tell the study what a trial reached; None that it was given up."""
    if value is None:
        study.tell(trial, state=_optuna().trial.TrialState.PRUNED)
    else:
        study.tell(trial, value)


def _advance(part: Part) -> Callable[..., Any]:
    """Live, a stream net within goes on from its state on rows that its own scaler has scaled."""

    def advance(x: np.ndarray, memory: Any = None) -> Any:
        scaled = part.scaler(x) if part.scaler is not None else x
        return part.strategy.advance(scaled, memory)  # type: ignore[attr-defined]

    return advance


def _built(build: Build, one: Range, value: Any) -> Strategy:
    """The strategy with one setting; ConfigError names the setting of the space."""
    try:
        return build({one.name: value}, False)
    except Exception as error:
        told = next((e for e in chain_of(error) if isinstance(e, BarwiseError)), None)
        if told is None:
            raise
        raise ConfigError(f"search.space.{one.name}: {told}") from None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("search=optuna: needs Optuna; `pip install 'barwise[optuna]'`") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
