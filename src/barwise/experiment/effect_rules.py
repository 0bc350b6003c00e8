"""Which settings are read only beside another one: a table, and what its entries ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from barwise.strategies.hooks import Explained, needs_torch

Needed = Callable[[Any], bool]
MISSING = object()


@dataclass(frozen=True)
class Only:
    """`setting` is read only where `other` has a value that `needed` takes; `remedy` gives it such a one.

    `part`: what the end of a part's `_target_` must be for this to hold, wherever the part stands; both settings then
    are the part's own (an empty `other` is the whole part), and `{at}` in the remedy is its place. Without one they are
    places in the configuration.
    """

    setting: str
    other: str
    needed: Needed
    remedy: str
    part: str = ""


@dataclass(frozen=True)
class Trained:
    """`setting` is read only with `what`, as `needed` tells of the strategy; `remedy` chooses one.

    `values`: those of the setting that need it, any where none is named. `beside`: another setting and the value of it
    beside which alone this holds. `usual`: the default, where a YAML of conf/ has another on purpose.
    """

    setting: str
    what: str
    needed: Needed
    remedy: str
    values: tuple[Any, ...] = ()
    beside: tuple[str, Any] = ("", None)
    usual: Any = MISSING


def among(*values: Any) -> Needed:
    return lambda value: value in values


def given(value: Any) -> bool:
    """Neither null nor zero, nor a part that is left out."""
    return bool(value is not None and value is not False and value != 0)


def none(value: Any) -> bool:
    return value is None


def learns(target: Any) -> bool:
    """Whether a strategy learns from rows at all."""
    return not str(target).endswith("FeatureRule")


def accelerated(value: Any) -> bool:
    return bool(value != "cpu")


def ended(name: str) -> Needed:
    """Whether a `_target_` does not end so."""
    return lambda target: not str(target).endswith(name)


def knows_capital(costs: Any) -> bool:
    """Whether a cost model reads the account: by volume, or by a commission of so much a trade."""
    if not isinstance(costs, Mapping) or "_target_" not in costs:
        return False
    return not str(costs.get("_target_")).endswith("costs.Spread") or given(costs.get("minimum_commission"))


def trains_after_a_test(splitter: Any) -> bool:
    """Whether a splitter may train on rows after a test block."""
    return not (isinstance(splitter, Mapping) and str(splitter.get("_target_")).endswith(FORWARD))


def some_are_changes(transforms: Any) -> bool:
    return [transforms] != ["level"] and transforms != ["level"]


def partial_sample(fraction: Any) -> bool:
    return fraction is not None and fraction != 1


def explained(strategy: Any) -> bool:
    """Whether a strategy knows how much it leans on each feature; of an estimator of scikit-learn, by its manual."""
    estimator = getattr(strategy, "estimator", None)
    if estimator is None or not type(estimator).__module__.startswith("sklearn."):
        return isinstance(strategy, Explained)
    manual = type(estimator).__doc__ or "coef_ :"
    return "coef_ :" in manual or "feature_importances_ :" in manual


def distances(stops: Any) -> bool:
    """Whether any stop or target is measured from a price."""
    return any(stops.get(name) is not None for name in ("stop", "target", "trailing"))


def measured_by_volatility(stops: Any) -> bool:
    return distances(stops) and stops.get("unit") == "volatility"


FORWARD = ("splits.WalkForward", "splits.Holdout", "by_date.Dates", "TimeSeriesSplit")
AUDITED = among("quick", "thorough")
NET, LIGHT, STOPS = "sequence.SequenceStrategy", "lgbm.LightGBMStrategy", "exits.Stops"
ONLY = (
    Only("chunk", "sequence", among("stream"), "{at}.sequence=stream", NET),
    Only("folds", "weights", among("ridge"), "{at}.weights=ridge", "blend.Blend"),
    Only("alpha", "weights", among("ridge"), "{at}.weights=ridge", "blend.Blend"),
    Only("folds", "primary._target_", learns, "strategy@{at}.primary=ridge", "meta.Meta"),
    Only("bagging_fraction", "bagging_freq", given, "{at}.bagging_freq=1", LIGHT),
    Only("bagging_freq", "bagging_fraction", partial_sample, "{at}.bagging_fraction=0.7", LIGHT),
    Only("unit", "", distances, "{at}.stop=3", STOPS),
    Only("window", "", measured_by_volatility, "{at}.unit=volatility {at}.stop=3", STOPS),
    Only("periods", "transforms", some_are_changes, "{at}.transforms=[level,change]", "context.context"),
    Only("embargo", "splitter", trains_after_a_test, "validation=purged_kfold", "folds.Validation"),
    Only("splitter.window", "window", none, "{at}.window=null", "folds.Validation"),
    Only("splitter.every", "every", none, "{at}.every=null", "folds.Validation"),
    Only("pattern", "ic", given, "{at}.ic=0.1", "synthetic.load"),
    Only("execution", "ic", given, "{at}.ic=0.1", "synthetic.load"),
    Only("portfolio.volatility_window", "portfolio.volatility_target", given, "portfolio.volatility_target=0.1"),
    Only("backtest.volatility_window", "backtest.weighting", among("volatility"), "backtest.weighting=volatility"),
    Only("backtest.borrow_bps", "portfolio.long_only", among(False, None), "portfolio.long_only=false"),
    Only("backtest.capital", "costs", knows_capital, "costs=impact"),
    Only("plausibility.information_ratio", "audit", AUDITED, "audit=quick"),
    Only("plausibility.standard_errors", "audit", AUDITED, "audit=quick"),
    Only("plausibility.sharpe", "audit", AUDITED, "audit=quick"),
    Only("plausibility.bars", "audit", AUDITED, "audit=quick"),
    Only("device.strict", "device.name", accelerated, "device.name=cuda"),
    Only("device.memory_fraction", "device.name", accelerated, "device.name=cuda"),
    Only("device.tf32", "device.name", accelerated, "device.name=cuda"),
    Only("device.deterministic", "device.name", accelerated, "device.name=cuda"),
    Only("device.parity", "device.name", accelerated, "device.name=cuda"),
)
A_NET = ("a net", needs_torch, "strategy=lstm")
ON_A_DEVICE = ("a net", needs_torch, "strategy=lstm device.name=cuda")
TRAINED = (
    Trained("monitor.memory_share", *A_NET),
    Trained("monitor.slow_step", *A_NET),
    Trained("monitor.profile", *A_NET, usual=0),
    Trained("device.strict", *A_NET, beside=("device.name", "auto")),
    Trained("device.memory_fraction", *ON_A_DEVICE),
    Trained("device.tf32", *ON_A_DEVICE),
    Trained("device.deterministic", *ON_A_DEVICE),
    Trained("device.parity", *ON_A_DEVICE),
    Trained("threads", *A_NET, values=("auto",)),
    Trained("importance", "a strategy that knows its own", explained, "importance=permutation", values=("gain",)),
)
STUDY = (  # of hydra/sweeper=study, beside the part
    Only("startup", "sampler", among("tpe"), "hydra.sweeper.sampler=tpe"),
    Only("seed", "sampler", among("tpe", "random"), "hydra.sweeper.sampler=tpe"),
    Only("n_trials", "sampler", among("tpe", "random"), "hydra.sweeper.sampler=tpe"),
    Only("prune_after", "prune", given, "hydra.sweeper.prune=fold"),
    Only("batch", "launcher", ended("isolated.IsolatedLauncher"), "hydra/launcher=basic"),
)
