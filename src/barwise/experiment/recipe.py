"""From the composed configuration to the parts of an experiment; all instantiating goes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from barwise.audit.plausibility import Plausibility
from barwise.backtest.exits import Barriers
from barwise.backtest.ledger import Backtest
from barwise.console.config import conf_dir
from barwise.console.settings import check_node
from barwise.data.bars import Market
from barwise.data.durations import duration
from barwise.data.kept import KeptBars
from barwise.data.shape import DEFAULTS, Shape
from barwise.errors import ConfigError, chain_of
from barwise.evidence.sealed import sealed
from barwise.experiment.configuration import check_plain
from barwise.experiment.parts import Parts
from barwise.experiment.strategy import averaged, class_of, strategy_of
from barwise.factor.files import FactorReturns
from barwise.factor.files import read as read_factors
from barwise.features import FeatureSet
from barwise.features.every import Every
from barwise.features.store import Store, home
from barwise.neutral import Neutral
from barwise.safety.targets import Targets, enable_experimental, targets_in
from barwise.signals import SignalRule, Unchanged
from barwise.strategies.base import Strategy


def parts_of(cfg: DictConfig, targets: Targets | None = None, data: Callable[[], Market] | None = None) -> Parts:
    """Instantiate each config group once, as the parameter of the same name.

    `targets`: what a configuration read from a run's directory may name; None trusts it, as the user's own. `data`:
    what gives the bars in place of the configuration's.
    """

    check_plain(cfg, targets)

    def make(group: str, node: Any, where: str = "") -> Any:
        return _make(group, node, targets, where)

    features, labels = feature_sets(cfg, targets), make("labels", cfg.labels)
    return Parts(
        data=sealed(
            _beside(data, cfg) if data else data_source(cfg, targets),
            OmegaConf.select(cfg, "sealed.fraction", default=0),
        ),
        features=features,
        labels=labels,
        validation=make("validation", cfg.validation),
        strategy=strategy_of(cfg, make),
        signals=signal_rule(cfg, targets),
        neutral=neutral(cfg),
        backtest=book(make, cfg, labels),
        baseline=make("strategy", cfg.baseline, "baseline") if cfg.baseline else None,
        device=OmegaConf.to_container(cfg.device, resolve=True),  # type: ignore[arg-type]
        seed=cfg.seed,
        threads=cfg.threads,
        audit=cfg.audit,
        plausibility=Plausibility(**dict(cfg.get("plausibility") or {})),
        shuffle_labels=cfg.get("shuffle_labels", False),
        monitor=make("monitor", cfg.monitor) if cfg.get("monitor") else None,
        importance=cfg.get("importance", "auto"),
        cache=Store(cfg.cache.folder, cfg.cache.gb, cfg.cache.get("mapped", "auto"))
        if cfg.get("cache") and targets is None
        else None,
        factor_returns=factor_returns(cfg) if targets is None else None,
        shipped=shipped_sets,
    )


def factor_returns(cfg: DictConfig) -> FactorReturns | None:
    """The factor returns that `factor.returns` names, if it names any."""
    path = OmegaConf.select(cfg, "factor.returns", default=None)
    return None if path is None else read_factors(path)


def shipped_sets() -> dict[str, FeatureSet]:
    """The feature sets of conf/ by name; those that need more than their own YAML are left out."""
    found = {}
    for path in sorted((Path(conf_dir()) / "features").glob("*.yaml")):
        nodes = OmegaConf.load(path)
        node = nodes.get(path.stem) if isinstance(nodes, DictConfig) else None
        with suppress(Exception):
            found[path.stem] = _make("features", node, None) if _every(node) is None else None
    return {name: each for name, each in found.items() if callable(each)}


def data_source(cfg: DictConfig, targets: Targets | None = None) -> Callable[[], Market]:
    """What gives the bars when it is called, in the session and size asked for; of a large source of one's own, by way
    of what is kept of it."""
    shape = Shape.of(cfg.data)
    shape.check_stamp(any(_every(node) is not None for node in (cfg.get("features") or {}).values()))
    found: Callable[[], Market] = _make("data", _without(cfg.data, *DEFAULTS), targets)
    if targets is None and cfg.get("cache"):
        found = KeptBars(home(cfg.cache.folder) / "bars", cfg.cache.gb).source(found)
    return shape.shaped(found)


def _beside(data: Callable[[], Market], cfg: DictConfig) -> Callable[[], Market]:
    """Bars in place of the configuration's, within its session and beside its calendar."""
    shape = Shape.of(cfg.data)
    return lambda: shape.again(data())


def feature_sets(cfg: DictConfig, targets: Targets | None = None) -> dict[str, FeatureSet]:
    """The feature sets by name."""
    given = cfg.get("features") or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"features={given}: must name sets, as in features=[price,volume]")
    sets = {name: _feature_set(name, node, cfg, targets) for name, node in given.items() if node}
    if not sets:
        raise ConfigError("features=[]: must name at least one set; features=normalized is the default")
    return sets


def _feature_set(name: str, node: Any, cfg: DictConfig, targets: Targets | None) -> FeatureSet:
    """One set; with `every`, which the set itself never sees, on larger bars."""
    every = _every(node)
    if every is None:
        return _callable(_make("features", node, targets, f"features.{name}"))
    plain = OmegaConf.merge({"_partial_": True}, _without(node, "every"))
    size = Shape.of(cfg.get("data") or {}).size(duration(f"features.{name}.every", every))
    return Every(name, _callable(_make("features", plain, targets, f"features.{name}")), size)


def _every(node: Any) -> Any:
    return node.get("every") if isinstance(node, DictConfig) else None


def _without(node: Any, *keys: str) -> Any:
    """The node without these keys, where it is filled in."""
    if not isinstance(node, DictConfig) or not any(key in node for key in keys):
        return node
    kept = node.copy()
    kept._set_parent(node._get_parent())
    OmegaConf.set_struct(kept, False)
    for key in keys:
        kept.pop(key, None)
    return kept


def _callable(one: Any) -> FeatureSet:
    """An instance of a class whose instances compute, where the configuration names the class with `_partial_`."""
    named: Any = one.func if isinstance(one, partial) else one
    computes = isinstance(named, type) and any("__call__" in vars(c) for c in named.__mro__)
    found: FeatureSet = one() if computes and not issubclass(named, dict) else one
    return found


def trackers(cfg: DictConfig, targets: Targets | None = None) -> list[Any]:
    """Who files the run elsewhere; TensorBoard alone where a recorded configuration knows of none."""
    given = cfg.get("tracking")
    if given is None:
        given = OmegaConf.create({"tensorboard": {"_target_": "barwise.report.trackers.tensorboard.TensorBoard"}})
    if not isinstance(given, Mapping):
        raise ConfigError(f"tracking={given}: must name trackers, as in tracking=[tensorboard,mlflow], or none")
    return [_make("tracking", node, targets, f"tracking.{name}") for name, node in given.items() if node]


def signal_rule(cfg: DictConfig, targets: Targets | None = None) -> SignalRule:
    """The signal rule, before it has learned its thresholds; ConfigError where the portfolio reads no signals."""
    node = cfg.signals
    if isinstance(node, DictConfig) and "neutral" in node:  # a step of its own, before the rule
        node = OmegaConf.masked_copy(node, [str(key) for key in node if key != "neutral"])
        node._set_parent(cfg)
    rule = _make("signals", node, targets)
    portfolio = _make("portfolio", cfg.portfolio, targets) if cfg.get("portfolio") else None
    if portfolio is not None and portfolio.reads_scores and not isinstance(rule, Unchanged):
        raise ConfigError("signals: this portfolio reads scores, so that signals have no effect; set signals=none")
    found: SignalRule = rule
    return found


def neutral(cfg: DictConfig) -> Neutral | None:
    """What scores are made neutral to, if to anything."""
    found = OmegaConf.to_container(cfg.signals, resolve=True)
    return Neutral.of(found.get("neutral") if isinstance(found, dict) else None)


def book(make: Callable[[str, Any], Any], cfg: DictConfig, labels: Any = None) -> Any:
    """The backtest with its portfolio, costs and exits; recorded runs may know none, and one of one's own may take
    none."""
    backtest = make("backtest", cfg.backtest)
    portfolio = make("portfolio", cfg.portfolio) if cfg.get("portfolio") else None
    costs = make("costs", cfg.costs) if cfg.get("costs") else None
    exits = make("exits", cfg.exits) if cfg.get("exits") else None
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
    if isinstance(exits, Barriers):
        exits = exits.of(labels)
        if portfolio is not None and portfolio.hold != "auto":
            raise ConfigError(f"portfolio.hold={portfolio.hold}: exits=barriers says how long; set portfolio.hold=auto")
        portfolio = replace(portfolio, hold=1) if portfolio is not None else None
    return backtest.trading(portfolio, costs, exits)


def strategy_class(cfg: DictConfig, targets: Targets | None = None) -> type[Strategy]:
    """The class of the strategy, to load what one has saved; nothing is instantiated."""
    if targets is not None:
        for group in ("strategy", "select", "search"):
            if cfg.get(group):
                targets.check(group, OmegaConf.to_container(cfg[group]))
    return class_of(cfg)


def _make(group: str, node: Any, targets: Targets | None, where: str = "") -> Any:
    """Instantiate a part whose settings are in their ranges; `where`: its place in the configuration."""
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise ConfigError(f"{node}: a part of the configuration has no _target_; name one of its group's files")
    if targets is not None:
        targets.check(group, OmegaConf.to_container(node))
    if group == "strategy":
        node = OmegaConf.create(averaged(OmegaConf.to_container(node, resolve=True), where or group))
    settings = OmegaConf.to_container(node, resolve=True)
    check_node(where or group, settings)
    for target in targets_in(settings):
        enable_experimental(target)
    try:
        return instantiate(node, _convert_="all")
    except Exception as error:
        told = next((one for one in chain_of(error) if isinstance(one, ConfigError)), None)
        if told is None or not where.startswith("baseline"):
            raise
        raise ConfigError(str(told).replace(f"{group}.", f"{where}.", 1)) from error
