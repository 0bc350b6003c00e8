"""Which `_target_`s a configuration read from a run directory may name, and which settings it may give them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from barwise.errors import ConfigError
from barwise.safety.skops import PARTS

_SKLEARN = re.compile(r"sklearn\.(\w+)\.[A-Z]\w*")
_MODULES = frozenset(part for part in PARTS if not part.startswith("_")) | {"model_selection", "neighbors", "svm"}
_SKLEARN_GROUPS = ("strategy", "validation")
_MARKS = ("_target_", "_partial_")
_ADDRESS = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*://|env:)")  # of a database, a server, a file elsewhere
_NAMED = ("barwise.features.formulas.Formulas",)  # its settings have names of the user's own; they are never run
_STORES = ("memory",)  # scikit-learn's cache folder is read back with pickle


class Targets:
    """The parts that barwise ships (every `_target_` in its conf/), plain scikit-learn classes, and `own` names.

    `own`: what the user allowed by name on the command line: dotted targets, or settings such as `strategy.max_bin`.
    """

    def __init__(self, conf: Path, own: Iterable[str] = ()) -> None:
        self.conf = conf
        self.own = frozenset(own)

    def check(self, group: str, node: Any) -> None:
        """ConfigError for a target of `group` that is not allowed, or a setting that only allowed names may have."""
        shipped = _shipped(self.conf)
        self.check_filled(group, node)
        self.check_addresses(group, node)
        for place, part in _mappings(group, node):
            for key in part:
                if str(key).startswith("_") and str(key).endswith("_") and key not in _MARKS:
                    raise ConfigError(f"{place}.{key}: is not allowed in a run's directory")
            if "_target_" in part:
                self._check_target(group, place, part, shipped)

    def check_filled(self, place: str, node: Any) -> None:
        """ConfigError for an interpolation, which could read the environment or call a resolver."""
        if isinstance(node, str) and "${" in node:
            raise ConfigError(f"{place}={node:.80}: is not filled in from a run's directory; give the value itself")
        for key, value in _items(node):
            self.check_filled(f"{place}.{key}", value)

    def check_addresses(self, place: str, node: Any) -> None:
        """ConfigError for the address of a database or a server: a stranger's is not called with your rights."""
        if isinstance(node, str) and _ADDRESS.match(node) and place not in self.own:
            raise ConfigError(
                f"{place}={node:.80}: an address in a run's directory is not called; if you trust it, allow it by "
                f"name: --allow {place}"
            )
        for key, value in _items(node):
            self.check_addresses(f"{place}.{key}", value)

    def _check_target(self, group: str, place: str, part: Mapping[str, Any], shipped: dict[str, set[str]]) -> None:
        target = part["_target_"]
        if target in self.own:
            return
        if isinstance(target, str) and group in _SKLEARN_GROUPS and _is_sklearn(target):
            stored = next((key for key in part if str(key) in _STORES and part[key] is not None), None)
            if stored:
                raise ConfigError(f"{place}.{stored}: a cache of pickles is not read for a run's directory")
            return
        if not isinstance(target, str) or target not in shipped.get(group, ()):
            raise ConfigError(
                f"{place}._target_={target!r:.80}: a run's directory may name only parts that barwise ships; "
                f"if you trust it, allow it by name: --allow {target!s:.80}"
            )
        known = set(shipped[target]) | _parameters(target) | ({"n_seeds"} if group == "strategy" else set())
        if target in _NAMED:
            known |= {key for key, value in part.items() if isinstance(value, str)}
        strange = [key for key in part if key not in _MARKS and key not in known and f"{place}.{key}" not in self.own]
        if strange:
            raise ConfigError(
                f"{place}.{strange[0]}: is no setting that barwise ships for {target}; "
                f"if you trust it, allow it by name: --allow {place}.{strange[0]}"
            )


def _items(node: Any) -> Iterable[tuple[Any, Any]]:
    return node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()


def _mappings(place: str, node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping below `node` with its place."""
    if isinstance(node, Mapping):
        yield place, node
        for key, value in node.items():
            yield from _mappings(f"{place}.{key}", value)
    elif isinstance(node, list | tuple):
        for i, value in enumerate(node):
            yield from _mappings(f"{place}[{i}]", value)


def targets_in(node: Any) -> Iterator[str]:
    """Every `_target_` at or below `node`."""
    for _, part in _mappings("", node):
        if isinstance(part.get("_target_"), str):
            yield part["_target_"]


@cache
def _shipped(conf: Path) -> dict[str, set[str]]:
    """group: its targets, and target: the settings that conf/ gives it."""
    import yaml

    found: dict[str, set[str]] = {}
    for path in sorted(conf.glob("*/**/*.yaml")):
        group = path.relative_to(conf).parts[0]
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in _parts(loaded):
            target = part.get("_target_")
            if isinstance(target, str) and group not in ("hydra", "experiment"):
                found.setdefault(group, set()).add(target)
                found.setdefault(target, set()).update(str(key) for key in part)
    return found


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _parts(value)


def _parameters(target: str) -> set[str]:
    """Parameters that the shipped target itself names; none for what takes any."""
    module, _, name = target.rpartition(".")
    found = getattr(import_module(module), name)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name for p in inspect.signature(found).parameters.values() if p.kind in kinds}


def _is_sklearn(target: str) -> bool:
    """Whether `target` names a class that scikit-learn itself defines, in one of its modules of models or splitters."""
    match = _SKLEARN.fullmatch(target)
    if not match or match.group(1) not in _MODULES:
        return False
    enable_experimental(target)
    found = getattr(import_module(f"sklearn.{match.group(1)}"), target.rpartition(".")[2], None)
    return inspect.isclass(found) and found.__module__.startswith("sklearn.")


def enable_experimental(target: str) -> None:
    """scikit-learn's halving searches exist once its own module for that is imported."""
    if target.startswith("sklearn.model_selection.Halving"):
        import_module("sklearn.experimental.enable_halving_search_cv")
