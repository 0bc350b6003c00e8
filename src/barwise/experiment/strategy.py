"""From the configuration of a strategy to the strategy: how many seeds are averaged, what is selected and searched."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.utils import get_class

from barwise.console.settings import OneOf, Whole, check_names, check_value, located
from barwise.errors import ConfigError
from barwise.experiment.configuration import as_yaml
from barwise.strategies.base import Strategy
from barwise.strategies.search import Searched
from barwise.strategies.select import Selected, Selection

if TYPE_CHECKING:
    from barwise.runs.directory import RunDirectory

_AVERAGED = "barwise.strategies.averaging.Averaged"
_AUTO, _SINGLE, _TRIAL = "auto", 5, 1  # seeds of n_seeds=auto: in a run by itself, and in a trial of a sweep
_ROOMS = ("strategy", "baseline")


def settle_seeds(raw: dict[str, Any], out: RunDirectory, single: bool) -> dict[str, Any]:
    """The configuration, interpolations as written, with `n_seeds=auto` decided: five for a run by itself and one for a
    trial of a sweep, as it is recorded in `.hydra/config.yaml`: whoever reads the run later knows what it was."""
    found = copy.deepcopy(raw)
    decided = [_decide(found.get(room), _SINGLE if single else _TRIAL) for room in _ROOMS]
    if not any(decided):
        return raw
    path = Path(out.path) / ".hydra" / "config.yaml"
    if path.is_file():
        from barwise.runs.directory import write_text

        write_text(path, as_yaml(found))
    return found


def _decide(node: Any, seeds: int) -> bool:
    """Put a number in the place of each `auto` below `node`; whether there was one."""
    found = False
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "n_seeds" and value == _AUTO:
                node[key], found = seeds, True
            else:
                found |= _decide(value, seeds)
    return found


def averaged(node: Any, where: str = "strategy") -> Any:
    """Plain configuration with each part that has `n_seeds`, and whose class takes none, within an average of so many.

    One seed, or `auto` that nobody has decided, is the part itself.
    """
    if isinstance(node, list):
        return [averaged(one, f"{where}[{i}]") for i, one in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    own = {key: averaged(value, f"{where}.{key}") for key, value in node.items()}
    if "n_seeds" not in own or "_target_" not in own or _takes_seeds(own["_target_"]):
        return own
    n = own.pop("n_seeds")
    check_value(f"{where}.n_seeds", n, (Whole(1, 100), OneOf((_AUTO,))), _AUTO)
    return own if n in (_AUTO, 1) else {"_target_": _AVERAGED, "strategy": own, "n_seeds": n}


def _takes_seeds(target: Any) -> bool:
    """Whether the class itself averages nets."""
    found = located(str(target))
    return found is not None and "n_seeds" in inspect.signature(found).parameters


@dataclass(frozen=True)
class _Build:
    """Makes the configured strategy with some of its settings replaced, by dotted name; `selection` is put around it.

    A trial inside a fold averages no seeds.
    """

    node: Mapping[str, Any]
    make: Callable[[Any], Strategy]
    selection: Selection | None = None

    def __call__(self, parameters: Mapping[str, Any], final: bool) -> Strategy:
        node = copy.deepcopy(dict(self.node))
        for name, value in parameters.items():
            *path, last = name.split(".")
            place: Any = node
            for key in path:
                place = place.get(key) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise ConfigError(f"there is no strategy.{name}; the strategy has {', '.join(map(str, node))}")
            if last not in place and path:
                check_names(f"strategy.{'.'.join(path)}", [last], [*map(str, place), *_takes(place.get("_target_"))])
            place[last] = value
        made = self.make(node if final else one_seed(node))
        return made if self.selection is None else Selected(made, self.selection)


def one_seed(node: Any) -> Any:
    """Plain configuration without averages."""
    if not isinstance(node, Mapping):
        return [one_seed(one) for one in node] if isinstance(node, list) else node
    return {key: 1 if key == "n_seeds" else one_seed(value) for key, value in node.items()}


def _takes(target: Any) -> list[str]:
    found = located(str(target))
    return list(inspect.signature(found).parameters) if found is not None else []


def strategy_of(config: Mapping[str, Any], make: Callable[[str, Any], Any]) -> Strategy:
    """The strategy of a configuration, with the selection of features and the search inside folds around it."""
    selection = make("select", config["select"]) if config.get("select") else None
    build = _Build(config["strategy"], lambda one: cast(Strategy, make("strategy", one)), selection)
    if config.get("search"):
        return Searched(build, make("search", config["search"]))
    return build({}, True)


def class_of(config: Mapping[str, Any]) -> type[Strategy]:
    """The class that loads what the configured strategy saves; nothing is instantiated."""
    if config.get("search"):
        return Searched
    return Selected if config.get("select") else get_class(averaged(config["strategy"])["_target_"])
