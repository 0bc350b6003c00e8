"""What a search inside the folds varies: settings of the strategy by their dotted names, from YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from barwise.errors import ConfigError, require

_KEYS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Range:
    """One of `choice`, or a number from `low` to `high`, whole if both are; `log`: drawn on a log scale."""

    name: str
    choice: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        at = f"search.space.{self.name}"
        if self.choice:
            return
        for key in ("low", "high", "step"):
            value = getattr(self, key)
            require(
                (key == "step" and value is None) or (isinstance(value, int | float) and not isinstance(value, bool)),
                f"{at}.{key}={value}: must be a number",
            )
        require(isinstance(self.log, bool), f"{at}.log={self.log}: must be true or false")
        require(abs(self.low) < 1e12 and abs(self.high) < 1e12, f"{at}: low and high must be below 1e12")
        require(self.low < self.high, f"{at}: low={self.low} must be below high={self.high}, or give a list of choices")
        require(not self.log or self.low > 0, f"{at}: low={self.low} must be above 0 on a log scale")
        require(not (self.log and self.step), f"{at}: step={self.step} does not go with log=true")
        require(self.step is None or self.step > 0, f"{at}: step={self.step} must be above 0")

    @property
    def whole(self) -> bool:
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 1))

    def suggest(self, trial: Any) -> Any:
        """A value from an Optuna trial."""
        if self.choice:
            return trial.suggest_categorical(self.name, list(self.choice))
        if self.whole:
            return trial.suggest_int(self.name, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    @property
    def edges(self) -> tuple[Any, ...]:
        """Values that must be settings of the strategy if all between are."""
        return self.choice or (self.low, self.high)


def space_of(node: Any) -> list[Range]:
    """The ranges of `search.space`: a list is a choice; else a mapping with low, high and perhaps step or log."""
    require(isinstance(node, Mapping), f"search.space={node!s:.60}: must name settings, as in max_depth: [2, 3, 4]")
    found = []
    for name, given in _flat(node):
        if isinstance(given, list | tuple):
            plain = all(isinstance(v, str | int | float | bool | None) for v in given)
            require(len(given) > 1 and plain, f"search.space.{name}={given!s:.60}: must list two or more plain values")
            found.append(Range(str(name), choice=tuple(given)))
            continue
        if not isinstance(given, Mapping) or set(given) - set(_KEYS) or not {"low", "high"} <= set(given):
            raise ConfigError(
                f"search.space.{name}={given!s:.60}: must be a list, or have low and high, of {', '.join(_KEYS)}"
            )
        found.append(Range(str(name), **given))
    return found


def _flat(node: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each entry by its dotted name; on the command line a dot makes a mapping within a mapping."""
    for key, value in node.items():
        inner = isinstance(value, Mapping) and value and not set(value) & set(_KEYS)
        if inner:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
