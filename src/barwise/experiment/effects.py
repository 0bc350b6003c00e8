"""Settings that have an effect only beside another one: set without it, they are a mistake and no trial."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from barwise.console.settings import located, shown
from barwise.errors import ConfigError

_Needed = Callable[[Any], bool]


@dataclass(frozen=True)
class _Only:
    """`setting` is read only where `other` has a value that `needed` takes; `remedy` gives it such a one.

    `part`: what the end of the part's `_target_` must be for this to hold; empty for any.
    """

    setting: str
    other: str
    needed: _Needed
    remedy: str
    part: str = ""


def _among(*values: Any) -> _Needed:
    return lambda value: value in values


def _given(value: Any) -> bool:
    """Neither null nor zero, nor a part that is left out."""
    return bool(value is not None and value is not False and value != 0)


def _learns(target: Any) -> bool:
    """Whether a strategy learns from rows at all."""
    return not str(target).endswith("FeatureRule")


def _accelerated(value: Any) -> bool:
    return bool(value != "cpu")


_ONLY = (
    _Only("strategy.chunk", "strategy.sequence", _among("stream"), "strategy.sequence=stream", "SequenceStrategy"),
    _Only("strategy.folds", "strategy.weights", _among("ridge"), "strategy.weights=ridge", "Blend"),
    _Only("strategy.alpha", "strategy.weights", _among("ridge"), "strategy.weights=ridge", "Blend"),
    _Only("strategy.folds", "strategy.primary._target_", _learns, "strategy@strategy.primary=ridge", "Meta"),
    _Only("portfolio.volatility_window", "portfolio.volatility_target", _given, "portfolio.volatility_target=0.1"),
    _Only("backtest.volatility_window", "backtest.weighting", _among("volatility"), "backtest.weighting=volatility"),
    _Only("backtest.borrow_bps", "portfolio.long_only", _among(False, None), "portfolio.long_only=false"),
    _Only("data.pattern", "data.ic", _given, "data.ic=0.1", "synthetic.load"),
    _Only("device.strict", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.memory_fraction", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.tf32", "device.name", _accelerated, "device.name=cuda"),
    _Only("device.parity", "device.name", _accelerated, "device.name=cuda"),
)
_SWEEPS = ("sweep.", "hydra.sweep.", "hydra.launcher", "hydra/launcher", "hydra.sweeper", "hydra/sweeper")


def check_effects(config: Mapping[str, Any]) -> None:
    """ConfigError for the first setting that differs from its default and has no effect because of another."""
    for rule in _ONLY:
        group, _, name = rule.setting.rpartition(".")
        node = config.get(group)
        if not isinstance(node, Mapping) or name not in node:
            continue
        target = str(node.get("_target_") or "")
        usual = _default(group, target, name)
        value, other = node[name], _selected(config, rule.other)
        if not target.endswith(rule.part) or value == usual or rule.needed(other):
            continue
        raise ConfigError(
            f"{rule.setting}={shown(value)}: has no effect with {rule.other}={shown(other)}; set"
            f" {rule.remedy}, or leave it at {shown(usual)}"
        )


def check_single(overrides: Sequence[str]) -> None:
    """ConfigError for the first word of a single run's command that says how a sweep is run."""
    for word in overrides:
        if word.lstrip("+~").startswith(_SWEEPS):
            raise ConfigError(f"{shown(word)}: has no effect on a single run; add -m, or leave it out")


def _selected(node: Any, place: str) -> Any:
    """The value at a dotted place, None where there is none."""
    for key in place.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _default(group: str, target: str, name: str) -> Any:
    """What a setting of a part is when it is not given."""
    if group == "device":
        from barwise.devices.choice import DeviceSettings

        return getattr(DeviceSettings, name)
    found = located(target)
    parameters = inspect.signature(found).parameters if found is not None else {}
    return parameters[name].default if name in parameters else None
