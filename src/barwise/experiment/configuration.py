"""Settings outside the parts: which there are, and which values each may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from omegaconf import DictConfig, OmegaConf

from barwise.console.config import conf_dir, yaml_of
from barwise.console.quoting import escaped
from barwise.console.settings import Number, OneOf, Seed, Whole, check, check_names, check_value, kinds_of

if TYPE_CHECKING:
    from barwise.safety.targets import Targets

_AUDITS = ("quick", "thorough", "none")
_IMPORTANCES = ("auto", "gain", "permutation", "none")
_PLAIN = {  # settings that are no part: which values each may have
    "seed": Seed,
    "threads": Annotated[int, Whole(1, 4096)] | Annotated[str, OneOf(("auto",))] | None,
    "fold_jobs": Annotated[int, Whole(1, 4096)] | Annotated[str, OneOf(("auto",))],
    "audit": Annotated[str, OneOf(_AUDITS)],
    "plausibility.information_ratio": Annotated[float, Number(1e-6, 1e6)],
    "plausibility.standard_errors": Annotated[float, Number(1e-6, 1e6)],
    "plausibility.sharpe": Annotated[float, Number(1e-6, 1e6)],
    "plausibility.bars": Annotated[int, Whole(1, 10**9)],
    "shuffle_labels": bool,
    "importance": Annotated[str, OneOf(_IMPORTANCES)],
    "factor.returns": str | None,
    "objective": Any,  # the sweep's to check
    "resume": str | None,
    "quiet": bool,
    "output_dir": str,
    "sealed.fraction": Annotated[float, Number(0.0, 0.9)],
    "cache.folder": str | None,
    "cache.gb": Annotated[float, Number(0.0, 1e6)],
    "cache.mapped": Annotated[Any, OneOf(("auto", True, False))],
    "sweep.name": str | int | float,
    "sweep.retry": Annotated[str, OneOf(("failed",))] | None,
    "sweep.pages": Annotated[int, Whole(0, 100_000)],
}


@cache
def _known() -> dict[str, tuple[str, ...]]:
    """The keys that conf/config.yaml has at the top, with those below each; none below what holds a value."""
    tree = dict(yaml_of(Path(conf_dir()) / "config.yaml"))
    groups = [key for entry in tree.pop("defaults") if isinstance(entry, dict) for key in entry]
    names = [
        group.rpartition("@")[2] for group in groups if not group.startswith(("override", "optional", "experiment"))
    ]
    del tree["hydra"]
    own = {key: tuple(value) if isinstance(value, dict) else () for key, value in tree.items()}
    return {**dict.fromkeys(names, ()), **own}


def plain(composed: Mapping[str, Any]) -> dict[str, Any]:
    """A composed configuration as plain values, filled in: what everything below the command line reads."""
    if not OmegaConf.is_config(composed):
        return dict(composed)
    found = cast(dict[str, Any], OmegaConf.to_container(cast(DictConfig, composed), resolve=True))
    for node, key in ((found, "output_dir"), (found.get("cache"), "folder")):
        if isinstance(node, dict) and type(node.get(key)) in (int, float):
            node[key] = str(node[key])  # a folder may be named 2026, which YAML takes for a number
    return found


def unresolved(composed: Mapping[str, Any]) -> dict[str, Any]:
    """A composed configuration as plain values, with interpolations as they were written."""
    if OmegaConf.is_config(composed):
        return cast(dict[str, Any], OmegaConf.to_container(cast(DictConfig, composed), resolve=False))
    return dict(composed)


def value_of(composed: Mapping[str, Any], name: str) -> Any:
    """One setting by its dotted name, filled in."""
    if OmegaConf.is_config(composed):
        return OmegaConf.select(cast(DictConfig, composed), name)
    group, _, key = name.rpartition(".")
    return (composed[group] if group else composed)[key]


def recomposed(raw: Mapping[str, Any]) -> DictConfig:
    """What `unresolved` took apart, with its interpolations to be filled in."""
    return OmegaConf.create(dict(raw))


def as_yaml(raw: Mapping[str, Any]) -> str:
    """What `unresolved` took apart, as Hydra writes it."""
    return OmegaConf.to_yaml(recomposed(raw))


def literal(node: Any) -> Any:
    """The same plain values for Hydra, which would fill in what only looks like an interpolation by now."""
    if isinstance(node, Mapping):
        return {key: literal(value) for key, value in node.items()}
    if isinstance(node, list):
        return [literal(value) for value in node]
    return escaped(node) if isinstance(node, str) else node


def check_plain(raw: Mapping[str, Any], filled: Callable[[str], Any], targets: Targets | None = None) -> None:
    """ConfigError, one line, for a setting outside the parts that there is not, or that is out of range.

    `raw`: plain values, interpolations as written; `filled` gives one of them filled in. A key of the user's own that
    another value refers to, as in `${mine}`, is none that is ignored.
    """
    referred = set(re.findall(r"\$\{(\w+)", str(raw)))
    check_names("", [key for key in raw if str(key) not in referred], _known())
    for group, there in _known().items():
        if there:
            check_value(group, raw.get(group), (*kinds_of(Mapping), *kinds_of(None)))
            check_names(group, raw.get(group) or (), there)
    for name, kinds in _PLAIN.items():
        group, _, key = name.rpartition(".")
        held = (raw.get(group) or {}) if group else raw
        if key not in held:
            continue
        if targets is not None and name != "sweep.name":  # which a trial's is from the time
            targets.check_filled(name, held[key])
        value = filled(name) if "${" in str(held[key]) else held[key]
        check_value(name, value, kinds_of(kinds))
    from barwise.devices.choice import DeviceSettings

    check_value("device", raw.get("device"), kinds_of(Mapping))
    check(DeviceSettings, "device", raw["device"], config=True)


def check_hydra(node: Any, where: str = "hydra", kind: Any = None) -> None:
    """ConfigError for a key below `hydra` that Hydra does not have: it takes any and reads none of them."""
    from dataclasses import fields, is_dataclass

    from hydra.conf import HydraConf

    known = {field.name: field for field in fields(kind or HydraConf)}
    check_names(where, map(str, node), [*known, *(("env",) if kind is None else ())])  # conf/hydra/env: Hydra's own
    for name, field in known.items():
        inner = type(field.default_factory()) if callable(field.default_factory) else field.default
        if is_dataclass(inner) and isinstance(node.get(name), Mapping):
            check_hydra(node[name], f"{where}.{name}", inner)
