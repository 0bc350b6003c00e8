"""Meta-labels: one strategy gives the side, another learns whether it pays, and its probability sizes the bet."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Number, OneOf, Whole, checked
from barwise.errors import ConfigError, require
from barwise.samples import Samples
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.calibration import KINDS, Calibration, bet_size
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import offer_sided_reasons
from barwise.strategies.rule import FeatureRule
from barwise.strategies.select import only_rows
from barwise.validation.nested import inner_folds

_BP = 1e-4
_FEWEST = 20  # rows that the second strategy learns from


class Meta:
    """The side of `primary` times the size that `secondary`'s probability of a gain gives.

    `secondary` reads the features and the score of `primary` on rows that this had not learned from (`folds` purged
    inner folds; a rule learns nothing, so that all rows do), and learns whether its side earned more than `cost_bps`,
    there and back. `calibration` of its scores is learned on validation rows. Source: López de Prado (2018), chapter 3.
    """

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    @checked("strategy")
    def __init__(
        self,
        primary: Any,
        secondary: Any,
        cost_bps: Annotated[float, Number(0.0, 10_000.0)] = 10.0,
        calibration: Annotated[str, OneOf(KINDS)] = "sigmoid",
        folds: Annotated[int, Whole(1, 100)] = 4,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.primary: Strategy = primary
        self.secondary: Strategy = secondary
        require(
            secondary.lookback == 1, f"strategy.secondary={type(secondary).__name__}: reads {secondary.lookback} bars;"
            " it must be one that reads a bar at a time, such as xgboost or logistic",
        )  # fmt: skip
        self.cost_bps, self.calibration, self.folds, self.fixed = cost_bps, calibration, folds, fixed
        offer(self, primary, secondary)
        self.in_blocks = False

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        first, second = part_context(context, "primary"), part_context(context, "secondary", heard=True)
        learned = self._unseen(train, context)
        self.first_ = Part(copy.deepcopy(self.primary)).fit(train, valid, first)
        learned = learned if learned is not None else (train, self.first_.scores(train))
        watched = (valid, self.first_.scores(valid)) if len(valid) else (valid, np.zeros(0))
        learn, watch = (self._paying(*pair) for pair in (learned, watched))
        paid = float(np.mean(learn.y > 0)) if len(learn) else 0.0
        require(
            len(learn) >= _FEWEST, f"strategy.primary={type(self.primary).__name__}: takes a side on {len(learn)}"
            " training rows, of which the second strategy can learn nothing; use another, or more bars",
        )  # fmt: skip
        self.second_ = Part(copy.deepcopy(self.secondary)).fit(learn, watch, second)
        self._offer_reasons()
        if self.fixed is not None:
            self.calibration_ = Calibration.from_settings(self.fixed)
        else:
            score = self.second_.scores(watch) if len(watch) else np.zeros(0)
            self.calibration_ = Calibration.of(self.calibration, score, watch.y > 0)
            if self.calibration_.kind != self.calibration:
                context.alert(
                    "meta", f"strategy.calibration={self.calibration}: too few validation rows to learn it from"
                )
        context.facts.update(
            second.facts, meta={"rows": len(learn), "paid": paid, "calibration": self.calibration_.settings()},
            parts={"primary": first.facts, "secondary": second.facts},
        )  # fmt: skip
        return self

    def _offer_reasons(self) -> None:
        """What speaks for the second's margin, as the side has it: a rule's score is the feature that it reads."""
        rule = self.first_.strategy
        column = rule.column_ if isinstance(rule, FeatureRule) else -1
        offer_sided_reasons(self, self.second_, self.first_.scores, self._beside, column)

    def _unseen(self, train: Samples, context: FitContext) -> tuple[Samples, np.ndarray] | None:
        """Training rows with the primary's scores from inner folds that had not learned from them; None for a rule."""
        if isinstance(self.primary, FeatureRule) or self.fixed is not None:
            return None
        rows, scores = [], []
        for fold in inner_folds(train.panel, train.rows, self.folds):
            learn, watch, test = (Samples(train.panel, r) for r in (fold.train, fold.valid, fold.test))
            own = replace(part_context(context, "primary"), folder=None)
            scores.append(Part(copy.deepcopy(self.primary)).fit(learn, watch, own).scores(test))
            rows.append(fold.test)
        order = np.argsort(np.concatenate(rows), kind="stable")
        return Samples(train.panel, np.concatenate(rows)[order]), np.concatenate(scores)[order]

    def _paying(self, samples: Samples, score: np.ndarray) -> Samples:
        """Rows with a side, the score beside their features, and whether the side pays as label: 1 or -1."""
        taken = np.isfinite(score) & (score != 0)
        few = self._beside(samples.select(taken), score[taken])
        pays = np.sign(score[taken]) * few.ret > self.cost_bps * _BP
        return replace(few, panel=replace(few.panel, y=np.where(pays, 1.0, -1.0)))

    @staticmethod
    def _beside(samples: Samples, score: np.ndarray) -> Samples:
        panel = samples.panel
        X = np.column_stack([np.asarray(panel.X[samples.rows]), score]).astype(np.float32)
        few = only_rows(panel, samples.rows, X)
        return Samples(replace(few, features=(*panel.features, "primary_score")), np.arange(len(samples)))

    def predict(self, samples: Samples) -> np.ndarray:
        score = self.first_.scores(samples)
        found = np.where(np.isfinite(score), 0.0, np.nan)
        taken = np.isfinite(score) & (score != 0)
        if taken.any():
            second = self.second_.scores(self._beside(samples.select(taken), score[taken]))
            size = bet_size(self.calibration_(second))
            found[taken] = np.sign(score[taken]) * np.where(np.isfinite(size), size, np.nan)
        return found

    def budgeted(self, facts: Mapping[str, Any]) -> Meta:
        """The same with the calibration that validation found, each part for the rounds or epochs that it took."""
        parts = facts.get("parts") or {}
        first = budgeted(self.primary, parts.get("primary") or {})
        second = budgeted(self.secondary, parts.get("secondary") or {})
        found = (facts.get("meta") or {}).get("calibration")
        return Meta(first, second, self.cost_bps, self.calibration, self.folds, found)

    def save(self, folder: Path) -> None:
        parts = {"primary": self.first_, "secondary": self.second_}
        save_parts(folder, "meta", parts, {"calibration": self.calibration_.settings(), "cost_bps": self.cost_bps})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, settings = load_parts(folder, "meta", cls.own_nets)
        try:
            first, second = parts["primary"], parts["secondary"]
            calibration = Calibration.from_settings(settings["calibration"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{folder / 'strategy.json'}: is no model of meta ({error!s:.60}); it is not loaded"
            ) from None
        model = cls(first.strategy, second.strategy, float(settings["cost_bps"]))
        model.first_, model.second_, model.calibration_ = first, second, calibration
        model._offer_reasons()
        return model
