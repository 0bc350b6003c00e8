"""Scores that are probabilities: twice the chance that the return is above zero, less one, by validation rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import OneOf, checked
from barwise.errors import ConfigError
from barwise.samples import Samples
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.calibration import KINDS, Calibration
from barwise.strategies.hooks import Explained
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts


class Calibrated:
    """Scores of a strategy turned into P(up) - P(down) as the validation rows showed it, by `method`."""

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    @checked("strategy")
    def __init__(
        self,
        strategy: Any,
        method: Annotated[str, OneOf(KINDS[:2])] = "sigmoid",
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.strategy: Strategy = strategy
        self.method, self.fixed = method, fixed
        offer(self, strategy)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        own = part_context(context, "strategy", heard=True)
        self.part_ = Part(copy.deepcopy(self.strategy)).fit(train, valid, own)
        if self.fixed is not None:
            self.calibration_ = Calibration.from_settings(self.fixed)
        else:
            moved = valid.ret != 0
            score = self.part_.scores(valid)
            self.calibration_ = Calibration.of(self.method, score[moved], valid.ret[moved] > 0)
            if self.calibration_.kind != self.method:
                text = f"strategy.method={self.method}: too few validation rows to learn it from"
                context.alert("calibration", f"{text}; scores are as they were")
        context.facts.update(own.facts, calibration=self.calibration_.settings())
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        score = self.part_.scores(samples)
        if self.calibration_.kind == "none":
            return score
        found: np.ndarray = np.clip(2.0 * self.calibration_(score) - 1.0, -1.0, 1.0)
        return found

    def importance(self) -> Mapping[str, float] | None:
        """That of the strategy; None where it has none."""
        inner = self.part_.strategy
        return inner.importance() if isinstance(inner, Explained) else None

    def budgeted(self, facts: Mapping[str, Any]) -> Calibrated:
        """The same with the calibration that validation found."""
        return Calibrated(budgeted(self.strategy, facts), self.method, facts.get("calibration"))

    def save(self, folder: Path) -> None:
        save_parts(folder, "calibrated", {"strategy": self.part_}, {"calibration": self.calibration_.settings()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, found = load_parts(folder, "calibrated", cls.own_nets)
        model = cls(parts["strategy"].strategy)
        model.part_ = parts["strategy"]
        try:
            model.calibration_ = Calibration.from_settings(found["calibration"])
        except (KeyError, TypeError, ValueError) as error:
            place = folder / "strategy.json"
            raise ConfigError(f"{place}: holds no calibration ({error!s:.60}); it is not loaded") from None
        return model
