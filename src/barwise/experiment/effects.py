"""Settings that have an effect only beside another one: set without it, they are a mistake and no trial.

A limit that is never reached (`backtest.max_gross=5`, a `strategy.patience` above `strategy.epochs`) is read all the
same. What a YAML of conf/ says of a part is its default, and never a mistake.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from barwise.console.config import conf_dir, yaml_of
from barwise.console.settings import located, shown
from barwise.errors import ConfigError
from barwise.experiment.effect_rules import MISSING, ONLY, STUDY, TRAINED

_SWEEPS = ("sweep.", "hydra.sweep.", "hydra.launcher", "hydra/launcher", "hydra.sweeper", "hydra/sweeper", "objective=")


def check_effects(config: Mapping[str, Any], strategy: Any = None) -> None:
    """ConfigError for the first setting that differs from its default and has no effect because of another.

    `strategy`: the one that the configuration makes, for settings that some strategies alone read.
    """
    if strategy is not None:
        _check_trained(config, strategy)
    for rule in ONLY:
        for at, node in _places(config, rule.part) if rule.part else [("", config)]:
            value = _selected(node, rule.setting, MISSING)
            other = _selected(node, rule.other) if rule.other else node
            if value is MISSING or rule.needed(other):
                continue
            named = ".".join(filter(None, (at, rule.setting)))
            usual = _defaults(config, *_owner(config, at, rule.setting))
            if value in (*usual, _of_this_machine(named)):
                continue
            beside = _said(".".join(filter(None, (at, rule.other))), other) if rule.other else f"the rest of {at}"
            raise ConfigError(
                f"{named}={shown(value)}: has no effect with {beside}; set {rule.remedy.format(at=at)}, or"
                f" leave it at {shown(usual[0])}"
            )


def _check_trained(config: Mapping[str, Any], strategy: Any) -> None:
    """The same for what only some strategies read."""
    for rule in TRAINED:
        value = _selected(config, rule.setting, MISSING)
        place, held = rule.beside
        elsewhere = (rule.values and value not in rule.values) or (place and _selected(config, place) != held)
        if value is MISSING or elsewhere or rule.needed(strategy):
            continue
        usual = _defaults(config, *_owner(config, "", rule.setting)) if rule.usual is MISSING else [rule.usual]
        if value not in (*usual, _of_this_machine(rule.setting)):
            raise ConfigError(
                f"{rule.setting}={shown(value)}: has no effect without {rule.what}; set {rule.remedy}, or leave it at"
                f" {shown(usual[0])}"
            )


def check_single(overrides: Sequence[str]) -> None:
    """ConfigError for the first word of a single run's command that says how a sweep is run."""
    for word in overrides:
        if word.lstrip("+~").startswith(_SWEEPS):
            raise ConfigError(f"{shown(word)}: has no effect on a single run; add -m, or leave it out")


def check_merged(overrides: Sequence[str], config: Mapping[str, Any]) -> None:
    """ConfigError for `key={}` where entries are there: Hydra merges mappings, so that it takes none away."""
    for word in overrides:
        key, _, value = word.partition("=")
        held = _selected(config, key.lstrip("+"))
        if value.replace(" ", "") == "{}" and isinstance(held, Mapping) and held:
            raise ConfigError(
                f"{shown(word)}: has no effect, for it is merged into what is there; take an entry out with"
                f" ~{key.lstrip('+')}.{next(iter(held))}, or leave it out"
            )


def check_sweep(overrides: Sequence[str], folder: Path, retry: Any = None) -> None:
    """ConfigError for what a sweep does not read: where a single run goes, and what failed of a sweep that is new."""
    for word in overrides:
        if word.lstrip("+~").startswith("hydra.run."):
            raise ConfigError(f"{shown(word)}: has no effect on a sweep; set hydra.sweep.dir, or leave it out")
    if retry == "failed" and not any(folder.glob("*/run.json")):
        raise ConfigError(
            "sweep.retry=failed: has no effect on a sweep that is new; set sweep.name=NAME of an earlier one, or leave"
            " it at null"
        )


def check_study(settings: Mapping[str, Any], launcher: Any) -> None:
    """ConfigError for a setting of hydra/sweeper=study that another one keeps from being read."""
    node = {**settings, "launcher": launcher}
    usual = yaml_of(Path(conf_dir()) / "hydra" / "sweeper" / "study.yaml")
    for rule in STUDY:
        value, other = settings.get(rule.setting), node.get(rule.other)
        if value != usual[rule.setting] and not rule.needed(other):
            place = "hydra.launcher._target_" if rule.other == "launcher" else f"hydra.sweeper.{rule.other}"
            raise ConfigError(
                f"hydra.sweeper.{rule.setting}={shown(value)}: has no effect with {place}={shown(other)}; set"
                f" {rule.remedy}, or leave it at {shown(usual[rule.setting])}"
            )


def _said(place: str, value: Any) -> str:
    """A setting as a message names it; a part by what it is."""
    if not isinstance(value, Mapping):
        return f"{place}={shown(value)}"
    return f"{place}={str(value.get('_target_', 'flat')).rpartition('.')[2]}"


def _places(node: Any, part: str, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and configuration of each of our parts whose target ends so."""
    if not isinstance(node, Mapping):
        return
    target = str(node.get("_target_") or "")
    if target.endswith(part) and target.startswith("barwise."):
        yield at, node
    for key, value in node.items():
        yield from _places(value, part, f"{at}.{key}" if at else str(key))


def _selected(node: Any, place: str, missing: Any = None) -> Any:
    """The value at a dotted place, `missing` where there is none."""
    for key in place.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return missing
        node = node[key]
    return node


def _owner(config: Mapping[str, Any], at: str, setting: str) -> tuple[str, Any, str]:
    """(place, configuration of the part, name) of the part that a setting belongs to."""
    if at:
        return at, _selected(config, at), setting
    group, _, name = setting.rpartition(".")
    return group, _selected(config, group) if group else config, name


def _defaults(config: Mapping[str, Any], group: str, node: Any, name: str) -> list[Any]:
    """What a setting may be without having been set: as the YAMLs of conf/ have it that are made of the same parts,
    else as its function has it."""
    target = str(node.get("_target_") or "") if isinstance(node, Mapping) else ""
    if target:
        alike = [
            one for one in _shipped(group.partition(".")[0]) if one["_target_"] == target and _same_parts(one, node)
        ]
    else:
        alike = list(_groups(group))
    found = [_selected(one, name) for one in alike if _selected(one, name, MISSING) is not MISSING]
    found = [_selected(config, one[2:-1]) if str(one).startswith("${") else one for one in found]
    if found or not target:
        return found or [None]
    function = located(target)
    parameters = inspect.signature(function).parameters if function is not None else {}
    return [parameters[name].default if name in parameters else None]


def _same_parts(one: Any, node: Any) -> bool:
    """Whether two configurations name the same parts, as far as the first names any."""
    if not isinstance(one, Mapping):
        return True
    if not isinstance(node, Mapping):
        return "_target_" not in str(one)
    return one.get("_target_") in (None, node.get("_target_")) and all(
        _same_parts(value, node.get(key)) for key, value in one.items() if isinstance(value, Mapping)
    )


@cache
def _of_this_machine(place: str) -> Any:
    """What conf/local/default.yaml, which every run here reads, says of a setting."""
    path = Path(conf_dir()) / "local" / "default.yaml"
    return _selected(yaml_of(path), place, MISSING) if path.is_file() else MISSING


@cache
def _groups(group: str) -> tuple[Mapping[str, Any], ...]:
    """What conf/config.yaml and the YAMLs of a `group` without parts hold; of the top, where none is named."""
    folder = Path(conf_dir())
    top = yaml_of(folder / "config.yaml")
    own = [yaml_of(path) for path in sorted((folder / group).glob("*.yaml"))] if group else []
    return tuple(one for one in (_selected(top, group) if group else top, *own) if isinstance(one, Mapping))


@cache
def _shipped(group: str) -> tuple[Mapping[str, Any], ...]:
    """All parts in the YAMLs of a group of conf/."""
    folder = Path(conf_dir()) / ("strategy" if group == "baseline" else group)
    return tuple(node for path in sorted(folder.rglob("*.yaml")) for node in _with_target(yaml_of(path)))


def _with_target(node: Any) -> Iterator[Mapping[str, Any]]:
    """Each part in a YAML, those inside others included."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from _with_target(value)
