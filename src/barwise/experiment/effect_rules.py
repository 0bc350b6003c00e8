"""Which settings are read only beside another one: a table, and what its entries ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from barwise.strategies.hooks import Explained, needs_torch

_Needed = Callable[[Any], bool]
MISSING = object()


@dataclass(frozen=True)
class _Only:
    """`setting` is read only where `other` has a value that `needed` takes; `remedy` gives it such a one.

    `part`: what the end of a part's `_target_` must be for this to hold, wherever the part stands; both settings then
    are the part's own (an empty `other` is the whole part), and `{at}` in the remedy is its place. Without one they are
    places in the configuration.
    """

    setting: str
    other: str
    needed: _Needed
    remedy: str
    part: str = ""


@dataclass(frozen=True)
class _Trained:
    """`setting` is read only with `what`, as `needed` tells of the strategy; `remedy` chooses one.

    `values`: those of the setting that need it, any where none is named. `beside`: another setting and the value of it
    beside which alone this holds. `usual`: the default, where a YAML of conf/ has another on purpose.
    """

    setting: str
    what: str
    needed: _Needed
    remedy: str
    values: tuple[Any, ...] = ()
    beside: tuple[str, Any] = ("", None)
    usual: Any = MISSING


def _among(*values: Any) -> _Needed:
    return lambda value: value in values


def _given(value: Any) -> bool:
    """Neither null nor zero, nor a part that is left out."""
    return bool(value is not None and value is not False and value != 0)


def _none(value: Any) -> bool:
    return value is None


def _learns(target: Any) -> bool:
    """Whether a strategy learns from rows at all."""
    return not str(target).endswith("FeatureRule")


def _accelerated(value: Any) -> bool:
    return bool(value != "cpu")


def _ended(name: str) -> _Needed:
    """Whether a `_target_` does not end so."""
    return lambda target: not str(target).endswith(name)


def _knows_capital(costs: Any) -> bool:
    """Whether a cost model reads the account: by volume, or by a commission of so much a trade."""
    if not isinstance(costs, Mapping) or "_target_" not in costs:
        return False
    return not str(costs.get("_target_")).endswith("costs.Spread") or _given(costs.get("minimum_commission"))


def _trains_after_a_test(splitter: Any) -> bool:
    """Whether a splitter may train on rows after a test block."""
    return not (isinstance(splitter, Mapping) and str(splitter.get("_target_")).endswith(_FORWARD))


def _some_are_changes(transforms: Any) -> bool:
    return [transforms] != ["level"] and transforms != ["level"]


def _partial_sample(fraction: Any) -> bool:
    return fraction is not None and fraction != 1


def _explained(strategy: Any) -> bool:
    """Whether a strategy knows how much it leans on each feature; of an estimator of scikit-learn, by its manual."""
    estimator = getattr(strategy, "estimator", None)
    if estimator is None or not type(estimator).__module__.startswith("sklearn."):
        return isinstance(strategy, Explained)
    manual = type(estimator).__doc__ or "coef_ :"
    return "coef_ :" in manual or "feature_importances_ :" in manual


def _distances(stops: Any) -> bool:
    """Whether any stop or target is measured from a price."""
    return any(stops.get(name) is not None for name in ("stop", "target", "trailing"))


def _measured_by_volatility(stops: Any) -> bool:
    return _distances(stops) and stops.get("unit") == "volatility"


_FORWARD = ("splits.WalkForward", "splits.Holdout", "by_date.Dates", "TimeSeriesSplit")
_AUDITED = _among("quick", "thorough")
_NET, _LIGHT, _STOPS = "sequence.SequenceStrategy", "lgbm.LightGBMStrategy", "exits.Stops"
ONLY = (
    _Only("chunk", "sequence", _among("stream"), "{at}.sequence=stream", _NET),
    _Only("folds", "weights", _among("ridge"), "{at}.weights=ridge", "blend.Blend"),
    _Only("alpha", "weights", _among("ridge"), "{at}.weights=ridge", "blend.Blend"),
    _Only("folds", "primary._target_", _learns, "strategy@{at}.primary=ridge", "meta.Meta"),
    _Only("bagging_fraction", "bagging_freq", _given, "{at}.bagging_freq=1", _LIGHT),
    _Only("bagging_freq", "bagging_fraction", _partial_sample, "{at}.bagging_fraction=0.7", _LIGHT),
    _Only("unit", "", _distances, "{at}.stop=3", _STOPS),
    _Only("window", "", _measured_by_volatility, "{at}.unit=volatility {at}.stop=3", _STOPS),
    _Only("periods", "transforms", _some_are_changes, "{at}.transforms=[level,change]", "context.context"),
    _Only("embargo", "splitter", _trains_after_a_test, "validation=purged_kfold", "folds.Validation"),
    _Only("splitter.window", "window", _none, "{at}.window=null", "folds.Validation"),
    _Only("splitter.every", "every", _none, "{at}.every=null", "folds.Validation"),
    _Only("pattern", "ic", _given, "{at}.ic=0.1", "synthetic.load"),
    _Only("execution", "ic", _given, "{at}.ic=0.1", "synthetic.load"),
    _Only("portfolio.volatility_window", "portfolio.volatility_target", _given, "portfolio.volatility_target=0.1"),
    _Only("backtest.volatility_window", "backtest.weighting", _among("volatility"), "backtest.weighting=volatility"),
    _Only("backtest.borrow_bps", "portfolio.long_only", _among(False, None), "portfolio.long_only=false"),
    _Only("backtest.capital", "costs", _knows_capital, "costs=impact"),
    _Only("plausibility.information_ratio", "audit", _AUDITED, "audit=quick"),
    _Only("plausibility.standard_errors", "audit", _AUDITED, "audit=quick"),
    _Only("plausibility.sharpe", "audit", _AUDITED, "audit=quick"),
    _Only("plausibility.bars", "audit", _AUDITED, "audit=quick"),
    _Only("device.strict", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.memory_fraction", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.tf32", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.deterministic", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.parity", "device.name", _accelerated, "device.name=cuda"),
)
_A_NET = ("a net", needs_torch, "strategy=lstm")
_ON_A_DEVICE = ("a net", needs_torch, "strategy=lstm device.name=cuda")
TRAINED = (
    _Trained("monitor.memory_share", *_A_NET),
    _Trained("monitor.slow_step", *_A_NET),
    _Trained("monitor.profile", *_A_NET, usual=0),
    _Trained("device.strict", *_A_NET, beside=("device.name", "auto")),
    _Trained("device.memory_fraction", *_ON_A_DEVICE),
    _Trained("device.tf32", *_ON_A_DEVICE),
    _Trained("device.deterministic", *_ON_A_DEVICE),
    _Trained("device.parity", *_ON_A_DEVICE),
    _Trained("threads", *_A_NET, values=("auto",)),
    _Trained("importance", "a strategy that knows its own", _explained, "importance=permutation", values=("gain",)),
)
STUDY = (  # of hydra/sweeper=study, beside the part
    _Only("startup", "sampler", _among("tpe"), "hydra.sweeper.sampler=tpe"),
    _Only("seed", "sampler", _among("tpe", "random"), "hydra.sweeper.sampler=tpe"),
    _Only("n_trials", "sampler", _among("tpe", "random"), "hydra.sweeper.sampler=tpe"),
    _Only("prune_after", "prune", _given, "hydra.sweeper.prune=fold"),
    _Only("batch", "launcher", _ended("isolated.IsolatedLauncher"), "hydra/launcher=basic"),
)
