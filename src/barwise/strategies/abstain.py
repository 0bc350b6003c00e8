"""No trade where a conformal interval of the return covers the costs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Fraction, Number, checked
from barwise.samples import Samples
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Explained
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import Member, offer_reasons

_BP = 1e-4
_FEWEST = 20  # validation rows in each half


class Abstaining:
    """The score of a strategy where the interval of the return that it expects lies beyond the costs, else 0.

    The return expected of a score is a multiple of it, learned on the earlier half of the validation rows; half the
    width of the interval is the `level` quantile of the distances of the returns of the later half from it, so that it
    holds that share of returns where rows are exchangeable (split conformal; Vovk, Gammerman and Shafer, 2005).
    """

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    @checked("strategy")
    def __init__(
        self,
        strategy: Any,
        level: Fraction = 0.05,
        cost_bps: Annotated[float, Number(0.0, 10_000.0)] = 10.0,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.strategy: Strategy = strategy
        self.level, self.cost_bps, self.fixed = level, cost_bps, fixed
        offer(self, strategy)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        own = part_context(context, "strategy", heard=True)
        self.part_ = Part(copy.deepcopy(self.strategy)).fit(train, valid, own)
        context.facts.update(own.facts)
        offer_reasons(self, [Member(self.part_)])
        if self.fixed is not None:
            self.slope_, self.width_ = float(self.fixed["slope"]), float(self.fixed["width"])
        else:
            self.slope_, self.width_, covered = self._learned(valid, context)
            context.facts["interval"] = {
                "slope": self.slope_, "width": self.width_, "level": self.level, "abstains": covered
            }  # fmt: skip
        return self

    def _learned(self, valid: Samples, context: FitContext) -> tuple[float, float, float | None]:
        """Slope, half width and the share of validation rows without a trade; by time, so that halves share no bar."""
        score, ret, time = self.part_.scores(valid), valid.ret, valid.time
        known = np.isfinite(score) & np.isfinite(ret)
        score, ret, time = score[known], ret[known], time[known]
        early = time < np.median(time.astype(np.int64)).astype("datetime64[ns]") if len(time) else np.zeros(0, bool)
        if min(early.sum(), (~early).sum()) < _FEWEST:
            text = f"strategy.level={self.level:g}: fewer than {2 * _FEWEST} validation rows"
            context.alert("interval", f"{text}, so that no interval was learned and nothing is left out")
            return 0.0, -1.0, None
        slope = float(score[early] @ ret[early] / max(float(score[early] @ score[early]), 1e-12))
        apart = np.sort(np.abs(ret[~early] - slope * score[~early]))
        rank = min(int(np.ceil((len(apart) + 1) * self.level)), len(apart))
        width = float(apart[rank - 1])
        return slope, width, float(np.mean(np.abs(slope * score) - width <= self.cost_bps * _BP))

    def predict(self, samples: Samples) -> np.ndarray:
        score = self.part_.scores(samples)
        if self.width_ < 0:
            return score
        beyond = (self.slope_ > 0) & (np.abs(self.slope_ * score) - self.width_ > self.cost_bps * _BP)
        return np.where(np.isfinite(score) & ~beyond, 0.0, score)

    def importance(self) -> Mapping[str, float] | None:
        """That of the strategy; None where it has none."""
        inner = self.part_.strategy
        return inner.importance() if isinstance(inner, Explained) else None

    def budgeted(self, facts: Mapping[str, Any]) -> Abstaining:
        """The same with the interval that validation found."""
        return Abstaining(budgeted(self.strategy, facts), self.level, self.cost_bps, facts.get("interval"))

    def save(self, folder: Path) -> None:
        settings = {"slope": self.slope_, "width": self.width_, "level": self.level, "cost_bps": self.cost_bps}
        save_parts(folder, "abstaining", {"strategy": self.part_}, settings)

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, found = load_parts(folder, "abstaining", cls.own_nets)
        model = cls(parts["strategy"].strategy, float(found["level"]), float(found["cost_bps"]))
        model.part_ = parts["strategy"]
        offer_reasons(model, [Member(model.part_)])
        model.slope_, model.width_ = float(found["slope"]), float(found["width"])
        return model
