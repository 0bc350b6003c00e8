"""XGBoost behind the strategy interface."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import OneOf, Whole, checked
from barwise.data.memmap import on_disk, scratch
from barwise.errors import require
from barwise.runs.directory import write_bytes
from barwise.samples import Samples
from barwise.strategies import external, ranking, scores
from barwise.strategies.base import FitContext
from barwise.strategies.boosting import check_parameters
from barwise.strategies.quantized import Quantized, keep, quantized

_log = logging.getLogger("barwise")

_A_THREAD = 500_000  # values of the training rows


class XGBoostStrategy:
    """Gradient-boosted trees by xgboost.train, which accepts a fold without one of the classes.

    Classes (-1, 0, +1) or a regression, by `task`; stops early on validation rows, which are later in time.
    `objective` rank:ndcg or rank:pairwise learns the order of each bar's symbols by their labels instead.
    """

    lookback = 1
    scale = False
    takes_nan = True
    in_blocks = True

    @checked("strategy")
    def __init__(
        self,
        n_estimators: scores.Trees = 300,
        max_depth: Annotated[int, Whole(1, 30)] = 3,
        learning_rate: scores.Rate = 0.05,
        early_stopping_rounds: scores.Patience | None = 30,
        task: scores.Task = "auto",
        objective: Annotated[str, OneOf(tuple(ranking.XGBOOST))] | None = None,
        **parameters: Any,
    ) -> None:
        ranking.check_objective(objective, task)
        check_parameters("XGBoost", parameters)
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.early_stopping_rounds = early_stopping_rounds
        self.task = task
        self.objective = objective
        self.parameters = parameters

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        import xgboost

        self.classes_ = self.objective is None and scores.classify(self.task, train)
        self.center_, self.sigma_ = 0.0, float(np.std(train.y))
        task: dict[str, Any] = (
            ranking.XGBOOST[self.objective]
            if self.objective is not None
            else {"objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss"}
            if self.classes_
            else {"objective": "reg:squarederror", "eval_metric": "rmse"}
        )
        options: dict[str, Any] = {
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "tree_method": "hist",
            "seed": context.seed,
            "nthread": _threads(context.threads, train),
            "device": "cuda" if context.device == "cuda" else "cpu",
            **self.parameters,
            **task,
        }
        if options["device"] != "cpu" and self.classes_:
            options |= {"base_score": _intercept(train)} if options.get("base_score") is None else {}
        try:
            with scratch(train.panel.X) as folder, warnings.catch_warnings(record=True) as told:
                self.booster_ = self._trained(options, train, valid, context, folder)
        except xgboost.core.XGBoostError as error:
            text = str(error).strip().splitlines()
            require(
                False,
                f"strategy=xgboost: {next((x for x in reversed(text) if 'nvalid' in x or 'xpect' in x), text[0])}",
            )
        _refuse_unused(told)
        context.facts["rounds"] = self.booster_.num_boosted_rounds()
        if self.objective is not None:
            self.center_, self.sigma_ = ranking.scale_of(self._predicted, train)
        return self

    def _trained(
        self, options: dict[str, Any], train: Samples, valid: Samples, context: FitContext, folder: Path | None
    ) -> Any:
        """The booster, cut at its best round; what it was trained from is gone when this returns."""
        import xgboost

        if folder is not None and options["device"] != "cpu":
            options["device"] = "cpu"
            context.alert("fallback", "xgboost: a matrix larger than memory is trained from on the CPU")
        threads = int(options["nthread"])
        data = self._matrix(train, folder, threads)
        watched = [(data.matrix, "train")]
        watched += [(self._matrix(valid, folder, threads, data).matrix, "valid")] if len(valid) else []
        stop = self.early_stopping_rounds if len(valid) else None
        booster = xgboost.train(
            options, data.matrix, self.n_estimators, evals=watched, early_stopping_rounds=stop, verbose_eval=False,
            custom_metric=ranking.xgboost_loss if self.objective else None,
            callbacks=[_listener(context, options.get("eval_metric", "ranking"))],
        )  # fmt: skip
        booster = booster[: booster.best_iteration + 1] if stop else booster
        booster.feature_names = list(train.features)
        booster.set_param({"device": "cpu"})  # rows are scored where they lie, as they will be served
        return booster

    def prepare(self, train: Samples, valid: Samples) -> None:
        """Keep the matrices of these rows for the trials that are forked from this process."""
        if self.objective is not None or train.many or valid.many or on_disk(train.panel.X):
            return
        shift = 1 if scores.classify(self.task, train) else 0
        data = keep(train.X, train.y + shift, train.weight)
        if len(valid):
            keep(valid.X, valid.y + shift, valid.weight, data)

    def _matrix(self, samples: Samples, folder: Path | None, threads: int, like: Quantized | None = None) -> Quantized:
        import xgboost

        if self.objective is not None:
            require(
                folder is None,
                f"strategy.objective={self.objective}: XGBoost ranks from memory alone, and the matrix is larger;"
                " strategy=lightgbm strategy.objective=lambdarank reads it in blocks",
            )
            queries = ranking.Queries.of(samples)
            one = queries.samples
            found = xgboost.QuantileDMatrix(one.X, queries.grades, ref=like.matrix if like else None,
                                            feature_names=list(one.features), group=queries.sizes,
                                            weight=queries.bar_weight)  # fmt: skip
            return Quantized(found)
        shift = 1 if self.classes_ else 0
        if folder is not None or samples.many:
            return Quantized(external.quantized(samples, shift, folder, like.matrix if like else None))
        return quantized(samples.X, samples.y + shift, samples.weight, like, threads)

    def _predicted(self, samples: Samples) -> np.ndarray:
        parts = [self.booster_.inplace_predict(block.X, validate_features=False) for block in samples.blocks()]
        return np.concatenate(parts)

    def predict(self, samples: Samples) -> np.ndarray:
        predicted = self._predicted(samples)
        if self.classes_:
            return scores.direction(predicted.reshape(len(samples), 3), scores.CLASSES)
        return scores.standardized(predicted - self.center_, self.sigma_)

    def contributions(self, samples: Samples) -> np.ndarray:
        """TreeSHAP's, exact; (row, feature + 1), the base last. Source: Lundberg et al. (2018), arXiv:1802.03888."""
        return self._raw(samples, pred_contribs=True)

    def margin(self, samples: Samples) -> np.ndarray:
        """(row,) before the link; of classes, that of up less that of down."""
        return self._raw(samples, output_margin=True)

    def _raw(self, samples: Samples, **what: bool) -> np.ndarray:
        import xgboost

        parts = []
        for block in samples.blocks():
            data = xgboost.DMatrix(block.X, feature_names=self.booster_.feature_names)
            found = self.booster_.predict(data, **what).astype(np.float64)
            parts.append(found[:, 2] - found[:, 0] if self.classes_ else found)
        return np.concatenate(parts)

    def importance(self) -> dict[str, float]:
        """Total gain per feature, as shares of one."""
        gain: dict[str, Any] = dict(self.booster_.get_score(importance_type="total_gain"))
        total = sum(gain.values()) or 1.0
        return {name: value / total for name, value in gain.items()}

    def save(self, folder: Path) -> None:
        scores.save_settings(
            folder, "xgboost", {"classes": self.classes_, "sigma": self.sigma_, "center": self.center_}
        )
        write_bytes(folder / "model.json", bytes(self.booster_.save_raw("json")))

    @classmethod
    def load(cls, folder: Path) -> Self:
        import xgboost

        settings = scores.load_settings(folder, "xgboost")
        model = cls()
        model.classes_, model.sigma_ = bool(settings["classes"]), float(settings["sigma"])
        model.center_ = float(settings.get("center", 0.0))  # runs of before know none
        kept = folder / "model.json"
        model.booster_ = xgboost.Booster(model_file=kept if kept.is_file() else folder / "model.ubj")  # of before 0.1
        return model


def _threads(lent: int, train: Samples) -> int:
    """Threads that have something to do: one for every half a million values, those lent at most.

    The trees are the same to the bit. Threads wait for one another at each level of each tree, and while they wait they
    take processor time: on a machine busy with other work 40 rounds on 7,500 rows of 32 features took 0.2 processor
    seconds by one thread, and 2 to 17 by two.
    """
    return min(lent, 1 + len(train) * len(train.features) // _A_THREAD)


def _intercept(train: Samples) -> list[float]:
    """Each class's log share of the training weight, at least a millionth, less their mean: XGBoost's own start.

    On CUDA, XGBoost 3.4.1 gives a class without rows an infinite one, and learns nothing (seen on an H200).
    """
    share = np.bincount((train.y + 1).astype(int), train.weight, minlength=len(scores.CLASSES)) / train.weight.sum()
    log_share = np.log(np.maximum(share, 1e-6))
    found: list[float] = (log_share - log_share.mean()).tolist()
    return found


def _refuse_unused(told: list[warnings.WarningMessage]) -> None:
    """ConfigError for a parameter that XGBoost says it does not know; what else it warned of is logged."""
    for warning in told:
        unused = re.search(r"Parameters: \{(.*?)\} are not used", str(warning.message))
        if unused:
            name = unused.group(1).split(",")[0].strip(' "')
            require(False, f"strategy.{name}: XGBoost has no such parameter; xgboost's documentation lists them")
        _log.warning("xgboost: %s", " ".join(str(warning.message).split()))


def _listener(context: FitContext, metric: str) -> Any:
    """A callback that logs train and validation loss per round and offers the latter for pruning."""
    import xgboost

    class Listener(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            for name, losses in evals_log.items():
                context.log(f"{name}_loss", losses[metric][-1], epoch)
            if context.report and "valid" in evals_log:
                context.report(evals_log["valid"][metric][-1], epoch)
            return False

    return Listener()
