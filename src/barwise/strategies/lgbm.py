"""LightGBM behind the strategy interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import OneOf, Whole, checked
from barwise.data.memmap import on_disk
from barwise.errors import ConfigError
from barwise.runs.directory import write_text
from barwise.samples import Samples
from barwise.strategies import external, ranking, scores
from barwise.strategies.base import FitContext
from barwise.strategies.boosting import check_parameters


class LightGBMStrategy:
    """Gradient-boosted trees, grown leaf by leaf; classes or a regression, early stopping on later rows.

    `objective` lambdarank learns the order of each bar's symbols by their labels instead.
    """

    lookback = 1
    scale = False
    takes_nan = True
    in_blocks = True

    @checked("strategy")
    def __init__(
        self,
        n_estimators: scores.Trees = 300,
        num_leaves: Annotated[int, Whole(2, 131_072)] = 8,
        learning_rate: scores.Rate = 0.05,
        early_stopping_rounds: scores.Patience | None = 30,
        task: scores.Task = "auto",
        objective: Annotated[str, OneOf(tuple(ranking.LIGHTGBM))] | None = None,
        **parameters: Any,
    ) -> None:
        ranking.check_objective(objective, task)
        check_parameters("LightGBM", parameters)
        self.n_estimators = n_estimators
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.early_stopping_rounds = early_stopping_rounds
        self.task = task
        self.objective = objective
        self.parameters = parameters

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        import lightgbm

        self.classes_ = self.objective is None and scores.classify(self.task, train)
        self.center_, self.sigma_ = 0.0, float(np.std(train.y))
        task: dict[str, Any] = (
            {"objective": "multiclass", "num_class": 3} if self.classes_ else {"objective": "regression"}
        )
        if self.objective is not None:
            most = int(np.unique(train.time, return_counts=True)[1].max())
            level = {"lambdarank_truncation_level": max(1, min(most, ranking.LONGEST))}
            task = ranking.LIGHTGBM[self.objective] | level
        options = {
            "num_leaves": self.num_leaves, "learning_rate": self.learning_rate, "seed": context.seed,
            "num_threads": context.threads, "deterministic": True, "force_row_wise": True, "verbosity": -1,
            **self.parameters,
            **task,
        }  # fmt: skip
        data = self._data(train)
        watched = {"train": data} | ({"valid": self._data(valid, data)} if len(valid) else {})
        losses: dict[str, Any] = {}
        hooks = [lightgbm.record_evaluation(losses), _listener(context, losses)]
        if self.early_stopping_rounds and len(valid):
            hooks.append(lightgbm.early_stopping(self.early_stopping_rounds, verbose=False))
        try:
            self.booster_ = lightgbm.train(
                options, data, self.n_estimators, list(watched.values()), list(watched), callbacks=hooks,
                feval=ranking.lightgbm_loss if self.objective else None,
            )  # fmt: skip
        except lightgbm.basic.LightGBMError as error:
            raise ConfigError(f"strategy=lightgbm: {error}") from error
        self.rounds_ = self.booster_.best_iteration or self.booster_.num_trees()
        context.facts["rounds"] = self.rounds_
        if self.objective is not None:
            self.center_, self.sigma_ = ranking.scale_of(self._predicted, train)
        return self

    def _data(self, samples: Samples, like: Any = None) -> Any:
        import lightgbm

        y, sizes = samples.y + 1 if self.classes_ else samples.y, None
        if self.objective is not None:
            queries = ranking.Queries.of(samples)
            samples, y, sizes = queries.samples, queries.grades, queries.sizes
        X = external.sequence(samples) if samples.many or on_disk(samples.panel.X) else samples.X
        return lightgbm.Dataset(
            X, y, weight=samples.weight, group=sizes, reference=like, feature_name=list(samples.features),
            free_raw_data=True,
        )  # fmt: skip

    def _predicted(self, samples: Samples) -> np.ndarray:
        parts = [self.booster_.predict(block.X, num_iteration=self.rounds_) for block in samples.blocks()]
        return np.concatenate(parts)

    def predict(self, samples: Samples) -> np.ndarray:
        predicted = self._predicted(samples)
        if self.classes_:
            return scores.direction(predicted, scores.CLASSES)
        return scores.standardized(predicted - self.center_, self.sigma_)

    def contributions(self, samples: Samples) -> np.ndarray:
        """TreeSHAP's, exact; (row, feature + 1), the base last. Source: Lundberg et al. (2018), arXiv:1802.03888."""
        return self._raw(samples, pred_contrib=True)

    def margin(self, samples: Samples) -> np.ndarray:
        """(row,) before the link; of classes, that of up less that of down."""
        return self._raw(samples, raw_score=True)

    def _raw(self, samples: Samples, **what: bool) -> np.ndarray:
        parts = [self.booster_.predict(block.X, num_iteration=self.rounds_, **what) for block in samples.blocks()]
        found: np.ndarray = np.concatenate(parts)
        if not self.classes_:
            return found
        found = found.reshape(len(samples), 3, -1)  # classes one after the other
        one: np.ndarray = found[:, 2] - found[:, 0]
        return one[:, 0] if not what.get("pred_contrib") else one

    def importance(self) -> dict[str, float]:
        """Total gain per feature, as shares of one."""
        gain = self.booster_.feature_importance("gain")
        return dict(zip(self.booster_.feature_name(), (gain / (gain.sum() or 1.0)).tolist(), strict=True))

    def save(self, folder: Path) -> None:
        settings = {"classes": self.classes_, "sigma": self.sigma_, "center": self.center_, "rounds": self.rounds_}
        scores.save_settings(folder, "lightgbm", settings)
        write_text(folder / "model.txt", self.booster_.model_to_string(num_iteration=self.rounds_))

    @classmethod
    def load(cls, folder: Path) -> Self:
        import lightgbm

        settings = scores.load_settings(folder, "lightgbm")
        model = cls()
        model.classes_, model.sigma_ = bool(settings["classes"]), float(settings["sigma"])
        model.center_ = float(settings.get("center", 0.0))  # runs of before know none
        model.rounds_ = int(settings["rounds"])
        model.booster_ = lightgbm.Booster(model_file=folder / "model.txt")
        return model


def _listener(context: FitContext, losses: dict[str, Any]) -> Any:
    """A callback that logs train and validation loss per round and offers the latter for pruning."""

    def listen(env: Any) -> None:
        for name, values in losses.items():
            value = next(iter(values.values()))[-1]
            context.log(f"{name}_loss", value, env.iteration)
            if name == "valid" and context.report:
                context.report(value, env.iteration)

    listen.order = 25  # type: ignore[attr-defined]  # after record_evaluation (20), before early_stopping (30)
    return listen
