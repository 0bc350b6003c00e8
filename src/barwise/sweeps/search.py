"""What a study searches: ranges and choices by name, from YAML or the command line, some only under a condition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from barwise.errors import ConfigError, require

_KEYS = ("choice", "low", "high", "step", "log", "when")
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Dimension:
    """One override that varies: one of `choice`, or a number from `low` to `high`, whole if both are.

    `when`: names of other dimensions and the values that they must have; without them this one is left out.
    """

    name: str
    choice: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = f"hydra.sweeper.search.{self.name}"
        if self.choice:
            return
        require(self.low < self.high, f"{at}: low={self.low} must be below high={self.high}, or give choice=[…]")
        require(not self.log or self.low > 0, f"{at}: low={self.low} must be above 0 on a log scale")
        require(not (self.log and self.step), f"{at}: step={self.step} does not go with log=true")

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 1))

    def asked(self, chosen: Mapping[str, Value]) -> bool:
        """Whether the dimension is there, given what was chosen before it."""
        return all(name in chosen and str(chosen[name]) in values for name, values in self.when.items())

    def suggest(self, trial: Any) -> Value:
        """A value from an Optuna trial."""
        if self.choice:
            found: Value = trial.suggest_categorical(self.name, list(self.choice))
            return found
        if self.whole:
            found = trial.suggest_int(self.name, self.low, self.high, step=int(self.step or 1), log=self.log)
            return found
        found = trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)
        return found

    def values(self) -> Sequence[Value]:
        """All values, for a grid; ConfigError for a range without end."""
        if self.choice:
            return self.choice
        if (self.step is None and not self.whole) or self.log:
            raise ConfigError(
                f"hydra.sweeper.search.{self.name}: a grid needs choice=[…] or a step; or use sampler=random or tpe"
            )
        step = self.step or 1
        found = [self.low + i * step for i in range(math.floor((self.high - self.low) / step + 1e-9) + 1)]
        return [int(x) for x in found] if self.whole else found


def from_yaml(search: Mapping[str, Any]) -> list[Dimension]:
    """Dimensions of `hydra.sweeper.search`: a list is a choice; else a mapping with the keys of KEYS."""
    found = []
    for name, node in search.items():
        if isinstance(node, list):
            node = {"choice": node}
        if not isinstance(node, Mapping) or not node or set(node) - set(_KEYS):
            raise ConfigError(f"hydra.sweeper.search.{name}={node}: must be a list, or hold some of {', '.join(_KEYS)}")
        if "choice" not in node and not {"low", "high"} <= set(node):
            raise ConfigError(f"hydra.sweeper.search.{name}={node}: must have choice, or low and high")
        when = {
            str(k): tuple(map(_word, v if isinstance(v, list) else [v])) for k, v in (node.get("when") or {}).items()
        }
        rest = {key: node[key] for key in ("low", "high", "step", "log") if key in node}
        found.append(Dimension(str(name), tuple(map(_word, node.get("choice", ()))), **rest, when=when))
    return checked(found)


def _word(value: Any) -> str:
    """A value as an override takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def from_overrides(overrides: Sequence[Override]) -> tuple[list[Dimension], list[str]]:
    """Dimensions of the command line, a=1,2 choice() range() interval() tag(log, interval()), and the rest of it."""
    found, fixed = [], []
    for override in overrides:
        name = override.get_key_element()
        if not override.is_sweep_override():
            fixed.append(f"{name}={override.get_value_element_as_str()}")
            continue
        given = override.value()
        if isinstance(given, IntervalSweep):
            found.append(Dimension(name, low=given.start, high=given.end, log="log" in given.tags))  # type: ignore
        elif isinstance(given, RangeSweep) and len(list(given.range())) > 1:
            steps = [x.item() if hasattr(x, "item") else x for x in given.range()]
            found.append(Dimension(name, low=min(steps), high=max(steps), step=abs(given.step)))
        else:
            found.append(Dimension(name, tuple(map(str, override.sweep_string_iterator()))))
    return found, fixed


def checked(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The same; ConfigError where a condition names nothing that was chosen before."""
    before: dict[str, Dimension] = {}
    for dimension in dimensions:
        for name, values in dimension.when.items():
            at = f"hydra.sweeper.search.{dimension.name}.when.{name}"
            require(name in before, f"{at}: must name an entry above it; there are {', '.join(before) or 'none'}")
            other = before[name]
            strange = [v for v in values if other.choice and v not in other.choice]
            require(not strange, f"{at}={', '.join(strange)}: is none of {', '.join(other.choice)}")
        before[dimension.name] = dimension
    return list(dimensions)


def suggest(trial: Any, dimensions: Sequence[Dimension]) -> dict[str, Value]:
    """A value for each dimension whose condition holds, from an Optuna trial."""
    chosen: dict[str, Value] = {}
    for dimension in dimensions:
        if dimension.asked(chosen):
            chosen[dimension.name] = dimension.suggest(trial)
    return chosen


def every(dimensions: Sequence[Dimension]) -> Iterator[dict[str, Value]]:
    """Every combination, conditions heeded, each once."""
    seen: set[tuple[tuple[str, Value], ...]] = set()
    for values in itertools.product(*(dimension.values() for dimension in dimensions)):
        chosen: dict[str, Value] = {}
        for dimension, value in zip(dimensions, values, strict=True):
            if dimension.asked(chosen):
                chosen[dimension.name] = value
        if tuple(chosen.items()) not in seen:
            seen.add(tuple(chosen.items()))
            yield chosen


def words(chosen: Mapping[str, Value]) -> list[str]:
    """Overrides of what was chosen; numbers in full precision."""
    return [f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}" for name, value in chosen.items()]
