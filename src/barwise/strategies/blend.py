"""Several strategies scored as one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Number, OneOf, Whole, checked
from barwise.errors import require
from barwise.samples import Samples
from barwise.strategies.association import spearman
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Explained
from barwise.strategies.parts import NAME, Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import Member, offer_reasons
from barwise.validation.nested import inner_folds

_FULL = 4.0  # deviations of the blended score that are a score of 1
WEIGHTS = ("equal", "ic", "ridge")


class Blend:
    """The weighted mean of the members' scores, each over its deviation on validation rows.

    `weights`: equal; ic, by rank correlation on validation rows, none below zero; ridge, stacked without negative
    weights on scores of purged inner folds of the training rows (`folds` of them, penalty `alpha` a row).
    """

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    @checked("strategy")
    def __init__(
        self,
        members: Mapping[str, Any],
        weights: Annotated[str, OneOf(WEIGHTS)] = "ic",
        folds: Annotated[int, Whole(1, 100)] = 4,
        alpha: Annotated[float, Number(0.0, 1e6)] = 1.0,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.members: dict[str, Strategy] = {k: v for k, v in members.items() if v is not None}
        require(len(self.members) > 0, "strategy.members: names no strategy; a blend has two or more")
        for name in self.members:
            require(NAME.fullmatch(str(name)) is not None, f"strategy.members.{name}: must be a plain name")
        self.weights, self.folds, self.alpha, self.fixed = weights, folds, alpha, fixed
        offer(self, *self.members.values())

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        facts: dict[str, Any] = {}
        self.parts_: dict[str, Part] = {}
        for i, (name, member) in enumerate(self.members.items()):
            own = part_context(context, name, heard=i == 0)
            self.parts_[name] = Part(copy.deepcopy(member)).fit(train, valid, own)
            facts[name] = own.facts
        watched = valid if len(valid) else train
        scores = np.stack([part.scores(watched) for part in self.parts_.values()])
        if self.fixed is not None:
            self.sigma_, self.weights_ = (dict(self.fixed[key]) for key in ("sigma", "weights"))
        else:
            self.sigma_ = dict(zip(self.parts_, map(_deviation, scores), strict=True))
            self.weights_ = self._weighed(train, watched, scores, context)
        context.facts.update(parts=facts, weights=self.weights_, sigma=self.sigma_)
        offer_reasons(self, self._members())
        return self

    def _members(self) -> list[Member]:
        """As scores are added up: each margin over the deviation of its scores."""
        names = [name for name in self.parts_ if self.sigma_[name] > 0]
        return [Member(self.parts_[name], self.weights_[name], 1.0 / self.sigma_[name]) for name in names]

    def _weighed(self, train: Samples, watched: Samples, scores: np.ndarray, context: FitContext) -> dict[str, float]:
        """Weights that add up to one; equal ones, and an alert, where no member shows anything."""
        alive = np.array([sigma > 0 for sigma in self.sigma_.values()], float)
        raw = alive
        if self.weights == "ic":
            raw = alive * np.array([max(0.0, np.nan_to_num(spearman(one, watched.ret))) for one in scores])
        elif self.weights == "ridge":
            raw = alive * self._stacked(train, context)
        if not raw.sum() > 0:
            if self.weights != "equal":
                text = f"strategy.weights={self.weights}: no member's scores are of use on the rows that weigh them"
                context.alert("blend", f"{text}; they weigh the same")
            raw = alive if alive.any() else np.ones(len(alive))
        return {name: float(w) for name, w in zip(self.parts_, raw / raw.sum(), strict=True)}

    def _stacked(self, train: Samples, context: FitContext) -> np.ndarray:
        """Weights of a ridge without negative ones, on scores of rows that the members had not learned from."""
        from sklearn.linear_model import Ridge

        found, targets, weight = [], [], []
        for fold in inner_folds(train.panel, train.rows, self.folds):
            learn, watch, test = (Samples(train.panel, rows) for rows in (fold.train, fold.valid, fold.test))
            each = []
            for name, member in self.members.items():
                own = replace(part_context(context, name), folder=None)
                part = Part(copy.deepcopy(member)).fit(learn, watch, own)
                score = part.scores(test)
                each.append(score / (_deviation(score) or 1.0))
            known = np.isfinite(each).all(axis=0) & np.isfinite(test.y)
            found.append(np.stack(each, axis=1)[known])
            targets.append(test.y[known])
            weight.append(test.weight[known])
        X, y = np.concatenate(found), np.concatenate(targets)
        if len(X) < 2 * X.shape[1] or not np.std(y) > 0:
            return np.zeros(X.shape[1])
        model = Ridge(alpha=self.alpha * len(X), positive=True).fit(X, y / np.std(y), np.concatenate(weight))
        weights: np.ndarray = np.maximum(model.coef_, 0.0)
        return weights

    def predict(self, samples: Samples) -> np.ndarray:
        total, weight = np.zeros(len(samples)), np.zeros(len(samples))
        for name, part in self.parts_.items():
            if self.weights_[name] > 0 and self.sigma_[name] > 0:
                score = part.scores(samples) / self.sigma_[name]
                known = np.isfinite(score)  # a member that cannot read a row leaves it to the others
                total[known] += self.weights_[name] * score[known]
                weight[known] += self.weights_[name]
        mean = np.divide(total, weight, out=np.full(len(samples), np.nan), where=weight > 0)
        if not any(self.weights_[name] > 0 and self.sigma_[name] > 0 for name in self.parts_):
            mean = np.zeros(len(samples))
        found: np.ndarray = np.clip(mean / _FULL, -1.0, 1.0)
        return found

    def importance(self) -> dict[str, float] | None:
        """The members' shares of gain, by their weights; None unless all with a weight have one."""
        found: dict[str, float] = {}
        for name, part in self.parts_.items():
            inner = part.strategy
            one = inner.importance() if isinstance(inner, Explained) else None
            if self.weights_[name] > 0 and not one:
                return None
            for feature, share in (one or {}).items():
                found[feature] = found.get(feature, 0.0) + self.weights_[name] * share
        return found or None

    def budgeted(self, facts: Mapping[str, Any]) -> Blend:
        """The same with the weights that validation found, each member for the rounds or epochs that it took."""
        parts = facts.get("parts") or {}
        members = {name: budgeted(member, parts.get(name) or {}) for name, member in self.members.items()}
        fixed = {key: facts[key] for key in ("weights", "sigma")} if "weights" in facts else None
        return Blend(members, self.weights, self.folds, self.alpha, fixed)

    def save(self, folder: Path) -> None:
        save_parts(folder, "blend", self.parts_, {"weights": self.weights_, "sigma": self.sigma_})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, settings = load_parts(folder, "blend", cls.own_nets)
        model = cls({name: part.strategy for name, part in parts.items()})
        model.parts_ = parts
        model.weights_, model.sigma_ = (
            {name: float(settings[key][name]) for name in parts} for key in ("weights", "sigma")
        )
        offer_reasons(model, model._members())
        return model


def _deviation(score: np.ndarray) -> float:
    known = score[np.isfinite(score)]
    return float(np.std(known)) if len(known) > 1 else 0.0
