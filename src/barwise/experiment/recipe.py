"""From the composed configuration to the parts of an experiment; all instantiating goes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate

from barwise.audit.plausibility import Plausibility
from barwise.backtest.exits import Barriers, Evening, Stops
from barwise.backtest.ledger import Backtest
from barwise.console.config import conf_dir, yaml_of
from barwise.console.settings import check_node
from barwise.data.bars import Market
from barwise.data.durations import duration
from barwise.data.kept import KeptBars
from barwise.data.shape import DEFAULTS, Shape
from barwise.errors import ConfigError, chain_of, require
from barwise.evidence.sealed import sealed
from barwise.experiment.configuration import check_plain, literal, plain, unresolved, value_of
from barwise.experiment.effects import check_effects
from barwise.experiment.parts import Measure, Parts
from barwise.experiment.strategy import averaged, class_of, one_seed, strategy_of
from barwise.factor.files import FactorReturns
from barwise.factor.files import read as read_factors
from barwise.features import FeatureSet
from barwise.features.every import Every
from barwise.features.store import Store, home
from barwise.neutral import Neutral
from barwise.runs.measures import RESERVED
from barwise.safety.targets import Targets, enable_experimental, targets_in
from barwise.signals import SignalRule, Unchanged
from barwise.strategies.base import Strategy

if TYPE_CHECKING:
    from barwise.report.trackers.base import Tracking


def parts_of(
    composed: Mapping[str, Any], targets: Targets | None = None, data: Callable[[], Market] | None = None
) -> Parts:
    """Instantiate each config group once, as the parameter of the same name.

    `targets`: what a configuration read from a run's directory may name; None trusts it, as the user's own. `data`:
    what gives the bars in place of the configuration's.
    """
    check_plain(unresolved(composed), partial(value_of, composed), targets)
    config = plain(composed)

    def make(group: str, node: Any, where: str = "") -> Any:
        return _make(group, node, targets, where)

    features, labels = feature_sets(config, targets), make("labels", config["labels"])
    cache = config.get("cache")
    made = Parts(
        data=sealed(
            _beside(data, config) if data else data_source(config, targets),
            (config.get("sealed") or {}).get("fraction", 0),
        ),
        features=features,
        labels=labels,
        validation=make("validation", config["validation"]),
        strategy=strategy_of(config, make),
        signals=signal_rule(config, targets),
        neutral=neutral(config),
        backtest=_book(make, config, labels),
        baseline=make("strategy", config["baseline"], "baseline") if config.get("baseline") else None,
        device=config["device"],
        seed=config["seed"],
        threads=config["threads"],
        fold_jobs=config.get("fold_jobs", 1),
        audit=config["audit"],
        plausibility=Plausibility(**(config.get("plausibility") or {})),
        shuffle_labels=config.get("shuffle_labels", False),
        measures=_own_measures(config, targets),
        monitor=make("monitor", config["monitor"]) if config.get("monitor") else None,
        importance=config.get("importance", "auto"),
        cache=Store(cache["folder"], cache["gb"], cache.get("mapped", "auto")) if cache and targets is None else None,
        factor_returns=_factor_returns(config) if targets is None else None,
        shipped=_shipped_sets,
    )
    if targets is None:  # what was recorded is as it is
        check_effects(config, made.strategy)
    return made


def _factor_returns(config: Mapping[str, Any]) -> FactorReturns | None:
    """The factor returns that `factor.returns` names, if it names any."""
    path = (config.get("factor") or {}).get("returns")
    return None if path is None else read_factors(path)


def _shipped_sets() -> dict[str, FeatureSet]:
    """The feature sets of conf/ by name; those that need more than their own YAML are left out."""
    found = {}
    for path in sorted((Path(conf_dir()) / "features").glob("*.yaml")):
        with suppress(Exception):
            node = yaml_of(path)[path.stem]
            found[path.stem] = _make("features", node, None) if _every(node) is None else None
    return {name: each for name, each in found.items() if callable(each)}


def data_source(composed: Mapping[str, Any], targets: Targets | None = None) -> Callable[[], Market]:
    """What gives the bars when it is called, in the session and size asked for; of a large source of one's own, by way
    of what is kept of it."""
    config = plain(composed)
    shape, cache = Shape.of(config["data"]), config.get("cache")
    shape.check_stamp(any(_every(node) is not None for node in (config.get("features") or {}).values()))
    found: Callable[[], Market] = _make("data", _without(config["data"], *DEFAULTS), targets)
    if shape.contracts is not None and isinstance(found, partial) and "contracts" in signature(found.func).parameters:
        found = partial(found, contracts=shape.contracts)
    if targets is None and cache:
        found = KeptBars(home(cache["folder"]) / "bars", cache["gb"]).source(found)
    return shape.shaped(found)


def _beside(data: Callable[[], Market], config: Mapping[str, Any]) -> Callable[[], Market]:
    """Bars in place of the configuration's, within its session and beside its calendar."""
    shape = Shape.of(config["data"])
    return lambda: shape.again(data())


def feature_sets(composed: Mapping[str, Any], targets: Targets | None = None) -> dict[str, FeatureSet]:
    """The feature sets by name."""
    config = plain(composed)
    given = config.get("features") or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"features={given}: must name sets, as in features=[price,volume]")
    sets = {name: _feature_set(name, node, config, targets) for name, node in given.items() if node}
    if not sets:
        raise ConfigError("features=[]: must name at least one set; features=normalized is the default")
    return sets


def _feature_set(name: str, node: Any, config: Mapping[str, Any], targets: Targets | None) -> FeatureSet:
    """One set; with `every`, which the set itself never sees, on larger bars."""
    every = _every(node)
    if every is None:
        return _callable(_make("features", node, targets, f"features.{name}"))
    one = {"_partial_": True, **_without(node, "every")}
    size = Shape.of(config.get("data") or {}).size(duration(f"features.{name}.every", every))
    return Every(name, _callable(_make("features", one, targets, f"features.{name}")), size)


def _every(node: Any) -> Any:
    return node.get("every") if isinstance(node, Mapping) else None


def _without(node: Any, *keys: str) -> Any:
    """The node without these keys."""
    return {key: value for key, value in node.items() if key not in keys} if isinstance(node, Mapping) else node


def _callable(one: Any) -> FeatureSet:
    """An instance of a class whose instances compute, where the configuration names the class with `_partial_`."""
    named: Any = one.func if isinstance(one, partial) else one
    computes = isinstance(named, type) and any("__call__" in vars(c) for c in named.__mro__)
    found: FeatureSet = one() if computes and not issubclass(named, dict) else one
    return found


def _own_measures(config: Mapping[str, Any], targets: Targets | None = None) -> dict[str, Measure]:
    """The user's own metrics by name; ConfigError for a name that is taken, or what cannot be called."""
    found = {}
    for name, node in (config.get("measures") or {}).items():
        require(str(name).isidentifier(), f"measures.{name}: must be a plain name, such as ulcer_index")
        require(name not in RESERVED, f"measures.{name}: is a metric of barwise's already; name yours otherwise")
        found[str(name)] = _make("measures", node, targets, f"measures.{name}")
        require(callable(found[str(name)]), f"measures.{name}: cannot be called; is _partial_: true missing?")
    return found


def trackers(config: Mapping[str, Any], targets: Targets | None = None) -> list[Tracking]:
    """Who files the run elsewhere; TensorBoard alone where a recorded configuration knows of none."""
    given = config.get("tracking")
    if given is None:
        given = {"tensorboard": {"_target_": "barwise.report.trackers.tensorboard.TensorBoard"}}
    if not isinstance(given, Mapping):
        raise ConfigError(f"tracking={given}: must name trackers, as in tracking=[tensorboard,mlflow], or none")
    return [_make("tracking", node, targets, f"tracking.{name}") for name, node in given.items() if node]


def signal_rule(config: Mapping[str, Any], targets: Targets | None = None) -> SignalRule:
    """The signal rule, before it has learned its thresholds; ConfigError where the portfolio reads no signals."""
    rule = _make("signals", _without(config["signals"], "neutral"), targets)  # neutral is a step of its own, before
    portfolio = _make("portfolio", config["portfolio"], targets) if config.get("portfolio") else None
    if portfolio is not None and portfolio.reads_scores and not isinstance(rule, Unchanged):
        raise ConfigError("signals: this portfolio reads scores, so that signals have no effect; set signals=none")
    found: SignalRule = rule
    return found


def neutral(config: Mapping[str, Any]) -> Neutral | None:
    """What scores are made neutral to, if to anything."""
    found = config["signals"]
    return Neutral.of(found.get("neutral") if isinstance(found, dict) else None)


def _book(make: Callable[[str, Any], Any], config: Mapping[str, Any], labels: Any = None) -> Any:
    """The backtest with its portfolio, costs and exits; recorded runs may know none, and one of one's own may take
    none."""
    backtest = make("backtest", config["backtest"])
    portfolio = make("portfolio", config["portfolio"]) if config.get("portfolio") else None
    costs = make("costs", config["costs"]) if config.get("costs") else None
    exits = make("exits", config["exits"]) if config.get("exits") else None
    standard = portfolio is None or portfolio.standard
    if not isinstance(backtest, Backtest):
        if costs is not None or exits is not None or not standard:
            given = "costs" if costs is not None else "exits" if exits is not None else "portfolio"
            raise ConfigError(f"{given}: {type(backtest).__name__} has its own; leave {given} at its default")
        return backtest
    if backtest.weighting != "equal" and not standard:
        raise ConfigError(
            f"backtest.weighting={backtest.weighting}: the portfolio says the weights; leave it at equal,"
            f" or portfolio={backtest.weighting} portfolio.… in its place"
        )
    if portfolio is not None and portfolio.flat_overnight:
        if exits is not None and not isinstance(exits, Stops):
            raise ConfigError("portfolio.flat_overnight=true: knows exits=stops alone; set that, or exits=none")
        exits = Evening(exits)
    if isinstance(exits, Barriers):
        exits = exits.of(labels)
        if portfolio is not None and portfolio.hold != "auto":
            raise ConfigError(f"portfolio.hold={portfolio.hold}: exits=barriers says how long; set portfolio.hold=auto")
        portfolio = replace(portfolio, hold=1) if portfolio is not None else None
    return backtest.trading(portfolio, costs, exits)


def backtest_of(config: Mapping[str, Any], targets: Targets | None = None) -> Any:
    """The backtest of a configuration with its portfolio and costs."""
    return _book(lambda group, node: _make(group, node, targets), config)


def strategy_class(config: Mapping[str, Any], targets: Targets | None = None) -> type[Strategy]:
    """The class of the strategy, to load what one has saved; nothing is instantiated."""
    if targets is not None:
        for group in ("strategy", "select", "search"):
            if config.get(group):
                targets.check(group, config[group])
    return class_of(config)


def _make(group: str, node: Any, targets: Targets | None, where: str = "") -> Any:
    """Instantiate a part whose settings are in their ranges; `where`: its place in the configuration."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ConfigError(f"{node}: a part of the configuration has no _target_; name one of its group's files")
    if targets is not None:
        targets.check(group, node)
    if group == "strategy":
        check_node(where or group, averaged(one_seed(node), where or group))  # by the names that the user set
        node = averaged(node, where or group)
    check_node(where or group, node)
    for target in targets_in(node):
        enable_experimental(target)
    try:
        return instantiate(literal(node), _convert_="all")
    except Exception as error:
        told = next((one for one in chain_of(error) if isinstance(one, ConfigError)), None)
        if told is None or not where.startswith("baseline"):
            raise
        raise ConfigError(str(told).replace(f"{group}.", f"{where}.", 1)) from error
