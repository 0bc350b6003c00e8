"""The mean of several models that differ in the seed alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Whole, checked
from barwise.samples import Samples
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Explained
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import Member, offer_reasons

Seeds = Annotated[int, Whole(1, 100)]


class Averaged:
    """Fits a strategy `n_seeds` times from seeds of its own and scores by the mean: less depends on the seed.

    Where another seed gives the same model, one is trained and an alert says so.
    """

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    @checked("strategy")
    def __init__(self, strategy: Any, n_seeds: Seeds = 5) -> None:
        self.strategy: Strategy = strategy
        self.n_seeds = n_seeds
        offer(self, strategy)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.parts_: list[Part] = []
        rounds = []
        for i in range(self.n_seeds):
            own = part_context(context, f"seed-{i}", seed=i, heard=i == 0)
            self.parts_.append(Part(copy.deepcopy(self.strategy)).fit(train, valid, own))
            if i == 0:
                context.facts.update(own.facts)
            if i == 1 and self._alike(train):
                del self.parts_[1]
                text = f"strategy.n_seeds={self.n_seeds}: another seed gives the same model, so one was trained"
                context.alert("seeds", f"{text}; strategy.n_seeds=1 says so")
                break
            rounds += [own.facts["rounds"]] if "rounds" in own.facts else []
        if rounds:
            context.facts.update(rounds=round(float(np.mean(rounds))), rounds_by_seed=rounds)
        offer_reasons(self, map(Member, self.parts_))
        return self

    def _alike(self, samples: Samples) -> bool:
        few = samples.select(slice(None, None, max(1, len(samples) // 200)))
        first, second = (part.scores(few) for part in self.parts_)
        return np.array_equal(first, second, equal_nan=True)

    def predict(self, samples: Samples) -> np.ndarray:
        found: np.ndarray = self.members(samples).mean(axis=0)
        return found

    def members(self, samples: Samples) -> np.ndarray:
        """(seed, sample): the scores of each model."""
        return np.stack([part.scores(samples) for part in self.parts_])

    def importance(self) -> dict[str, float] | None:
        """Mean over the models; None where they have none."""
        found = [part.strategy.importance() for part in self.parts_ if isinstance(part.strategy, Explained)]
        known = [one for one in found if one]
        names = {name for one in known for name in one}
        return {name: float(np.mean([one.get(name, 0.0) for one in known])) for name in sorted(names)} or None

    def budgeted(self, facts: Mapping[str, Any]) -> Averaged:
        """The same, each model trained for the rounds or epochs that validation found best."""
        return Averaged(budgeted(self.strategy, facts), self.n_seeds)

    def save(self, folder: Path) -> None:
        save_parts(folder, "averaged", {f"seed-{i}": part for i, part in enumerate(self.parts_)}, {})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, _ = load_parts(folder, "averaged", cls.own_nets)
        model = cls(next(iter(parts.values())).strategy, len(parts))
        model.parts_ = list(parts.values())
        offer_reasons(model, map(Member, model.parts_))
        return model
