"""What barwise takes from a sweep as Hydra composed it: plain values of the sweep, and of each of its trials."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from barwise.sweeps.sweep import Sweep, foreign, objectives_of
from barwise.sweeps.trial import plain_config

_PLAIN = re.compile(r"[A-Za-z_]\w*(\.\w+)*=")  # a value for a key that is there
_ELSEWHERE = ("hydra", "output_dir", "sweep", "resume")  # settings that the place of a trial depends on
_KNOWN = re.compile(r"\$\{(now:[^}]*|output_dir|sweep\.name|hydra\.job\.num)\}")


def sweep_of(config: DictConfig) -> Sweep:
    """The sweep of a composed configuration, `hydra` included."""
    return Sweep(
        Path(str(config.hydra.sweep.dir)), str(config.sweep.name), objectives_of(config.objective), config.quiet,
        config.sweep.get("pages", 0), foreign(config.hydra.launcher), config.sweep.get("retry"),
        tuple(config.hydra.overrides.hydra),
    )  # fmt: skip


@dataclass(frozen=True)
class TrialConfigs:
    """Composes the trials of a sweep; `config` is the sweep's own.

    Trials that differ in nothing but the numbers and words given to the same keys are composed once, a quarter of a
    second each.
    """

    config: DictConfig
    loader: ConfigLoader
    made: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __call__(self, number: int, overrides: list[str]) -> dict[str, Any]:
        """A trial's configuration as plain values, with its number and directory."""
        shape = tuple(self._key(word) for word in overrides)
        if shape in self.made:
            found = _varied(json.loads(self.made[shape]), number, overrides, shape)
            if found is not None:
                return found
        config = self.loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        plain = plain_config(config)
        if _placed_by_number(config):
            self.made[shape] = json.dumps(plain)
        return plain

    def _key(self, word: str) -> str:
        """The key of an override that only gives it a value; of any other the whole of it."""
        match = _PLAIN.match(word)
        key = match.group()[:-1] if match else ""
        group = key.replace(".", "/")
        if not key or key.split(".")[0] in _ELSEWHERE or "$" in word or self.loader.get_group_options(group):
            return word
        return key


def _placed_by_number(config: DictConfig) -> bool:
    """Whether a trial's directory depends on nothing but its number."""
    raw = OmegaConf.to_container(config, resolve=False)
    places = [raw["output_dir"], raw["sweep"]["name"], *(raw["hydra"]["sweep"][x] for x in ("dir", "subdir"))]  # type: ignore[call-overload, index]
    return all("${" not in _KNOWN.sub("", str(one)) for one in places) and places[-1] == "${hydra.job.num}"


def _varied(plain: dict[str, Any], number: int, overrides: list[str], shape: tuple[str, ...]) -> dict[str, Any] | None:
    """`plain` with the values of `overrides` for the keys in `shape`; None where one is no plain value."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    for one, key in zip(parsed, shape, strict=True):
        if one.input_line == key:
            continue
        value = one.value()
        *path, last = key.split(".")
        node: Any = plain
        for name in path:
            node = node.get(name) if isinstance(node, Mapping) else None
        if not isinstance(node, dict) or isinstance(node.get(last, {}), dict | list):
            return None
        if not isinstance(value, int | float | str | None) or one.is_sweep_override():
            return None
        node[last] = value
    _number(plain["hydra"], number, parsed)
    return plain


def _number(hydra: dict[str, Any], number: int, parsed: list[Override]) -> None:
    """Put the trial's number, its words and what is made of them where Hydra has them."""
    own = [one for one in parsed if not one.is_hydra_override()]
    naming = hydra["job"]["config"]["override_dirname"]
    hydra["job"]["id"], hydra["job"]["num"] = str(number), number
    hydra["job"]["override_dirname"] = get_overrides_dirname(
        overrides=own, kv_sep=naming["kv_sep"], item_sep=naming["item_sep"], exclude_keys=naming["exclude_keys"]
    )
    hydra["overrides"]["task"] = [one.input_line for one in own]
    hydra["sweep"]["subdir"] = str(number)
