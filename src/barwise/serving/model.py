"""The model of a finished run, loaded to serve: strategy, scaler, thresholds and ranges, each checked first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.config import conf_dir
from barwise.data.bars import Bars, Market
from barwise.data.sessions import Clock
from barwise.data.shape import Shape
from barwise.errors import BarwiseError, ConfigError, DataError
from barwise.experiment.contributions import table
from barwise.experiment.ranges import Ranges, restored
from barwise.experiment.recipe import backtest_of, feature_sets, neutral, signal_rule, strategy_class
from barwise.features import FeatureSet
from barwise.neutral import Neutral
from barwise.report.run import Run, load
from barwise.safety.files import folder_inside, inside, read_json
from barwise.safety.signature import signed
from barwise.safety.targets import Targets
from barwise.samples import Panel, Samples, Scaler
from barwise.serving.model_files import LONGEST_WARMUP, checked, loaded, ranges_of, try_models
from barwise.signals import SignalRule
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import Contributing, Stateful
from barwise.strategies.parts import trusting
from barwise.strategies.rows import neutralized, scores_of, usable

_CHOICES = "auto, last, refit, ensemble or fold-<number>"
REFIT = "refit"
_UNUSED = ("data", "output_dir", "sweep", "hydra")  # not read here, or checked when it is
_MOST_COLUMNS = 200


@dataclass(frozen=True)
class Member:
    """One fitted model: what a fold's folder, or the refit's, holds."""

    name: str
    strategy: Strategy
    scaler: Scaler | None
    rule: SignalRule
    ranges: Ranges

    @property
    def carries(self) -> bool:
        """Whether the net scores a bar from a state that it hands on, rather than from a window of bars."""
        return isinstance(self.strategy, Stateful) and self.strategy.sequence == "stream"

    def scores(self, panel: Panel, rows: np.ndarray) -> np.ndarray:
        """Scores of `rows` as a run gives them; NaN where the features are not defined."""
        try:
            return scores_of(self.strategy, panel, rows, self.scaler)
        except BarwiseError:
            raise
        except (ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise DataError(f"{self.name}: its model cannot score these bars ({line}); train the run again") from error


@dataclass(frozen=True)
class Served:
    """The feature sets of a run and one or more of its models, all on the same features."""

    run: Run
    sets: Mapping[str, FeatureSet]
    members: tuple[Member, ...]
    neutral: Neutral | None = None
    backtest: Callable[[], Any] | None = None  # what it was traded by

    @property
    def features(self) -> tuple[str, ...]:
        return self.members[0].ranges.features

    @property
    def lookback(self) -> int:
        """Bars of features that one score needs."""
        return max(m.strategy.lookback for m in self.members)

    @property
    def warmup(self) -> int:
        """Bars of a symbol before its features have forgotten where they start, as the run measured it."""
        found = (self.run.manifest.get("start_up") or {}).get("bars")
        return found if isinstance(found, int) and 0 <= found <= LONGEST_WARMUP else 0

    @property
    def extra(self) -> list[str]:
        """Columns that the run's source had beside prices and volume."""
        found = self.data.get("extra")
        return [str(name) for name in found[:_MOST_COLUMNS]] if isinstance(found, list) else []

    @property
    def bar_seconds(self) -> int | None:
        """The size of a bar, as the run recorded it; None where it did not."""
        found = str(self.data.get("bar_size", ""))
        if found == "month":
            return 28 * 86_400
        return int(found[:-1]) or None if re.fullmatch(r"\d{1,9}s", found) else None

    @cached_property
    def shape(self) -> Shape:
        """The calendar and the hours that the run's bars were kept to."""
        return Shape.of((self.run.config or {}).get("data") or {})

    @cached_property
    def clock(self) -> Clock | None:
        """The run's calendar, for single bars of its size; None without one."""
        clock, seconds = self.shape.clock, self.bar_seconds
        return replace(clock, size=seconds * 10**9) if clock and seconds else clock

    def beside(self, market: Market) -> Market:
        """Bars to score, within the run's session and beside its calendar; ConfigError where the run's were brought
        to the account's terms and these are not."""
        if self.shape.contracts is not None and "contracts" not in market.facts:
            raise ConfigError(
                f"this run was trained with data.contracts={self.shape.contracts}: give these bars a file of contracts"
                f" too, data.contracts={self.shape.contracts}"
            )
        market = self.shape.within(market)
        return self.clock.on(market) if self.clock else market

    def trades_at(self, bar: Bars) -> bool:
        """Whether one bar lies within the run's session."""
        return self.shape.session is None or bool(self.shape.contain(bar, (self.bar_seconds or 0) * 10**9).all())

    @property
    def groups(self) -> list[str]:
        """The groups that the run's source had."""
        found = self.data.get("groups")
        return [str(name) for name in list(found)[:_MOST_COLUMNS]] if isinstance(found, dict) else []

    @property
    def data(self) -> Mapping[str, Any]:
        """What the run recorded of its bars."""
        found = self.run.manifest.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def last(self) -> np.datetime64:
        """The latest time that any of the models has seen in training."""
        return max(m.ranges.last for m in self.members)

    def scores(self, panel: Panel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and signal of each row: the mean over the models, each with its own scaler and thresholds."""
        return self.combined([neutralized(panel, rows, m.scores(panel, rows)) for m in self.members], panel.time[rows])

    def check_explains(self) -> None:
        """ConfigError unless each model knows what features add."""
        for m in self.members:
            if not isinstance(m.strategy, Contributing):
                name = type(m.strategy).__name__
                raise ConfigError(f"--explain: {name} does not know what each feature adds; xgboost and lightgbm do")

    def contributions(self, panel: Panel, rows: np.ndarray) -> dict[str, np.ndarray]:
        """`margin`, `base` and one column a feature, as the mean over the models; NaN where a score is not defined."""
        tables = []
        for m in self.members:
            known = usable(m.strategy, panel, rows)
            names = ("margin", "base", *(f"by_{name}" for name in panel.features))
            whole = {name: np.full(len(rows), np.nan) for name in names}
            if known.any() and isinstance(m.strategy, Contributing):
                for name, values in table(m.strategy, Samples(panel, rows[known], m.scaler)).items():
                    whole[name][known] = values
            tables.append(whole)
        return {name: np.mean([one[name] for one in tables], axis=0) for name in tables[0]}

    def combined(self, scores: list[np.ndarray], time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean score and mean signal of the models' scores, one array each."""
        signals = [m.rule(score, time) for m, score in zip(self.members, scores, strict=True)]
        return np.mean(scores, axis=0), np.mean(signals, axis=0)


def serve(folder: str | Path, model: str = "auto", allow: Iterable[str] = ()) -> Served:
    """The model of the run in `folder`.

    `model`: `last` fold, `refit` (made by `python -m barwise refit`), `ensemble` of all folds, `fold-2`; `auto` takes
    the refit where there is one, else the ensemble: one fold may have stopped at once, or have had luck. `allow`: your
    own targets by name; a run's directory may otherwise name only what barwise ships. DataError or ConfigError where
    anything is not as a run writes it.
    """
    run, config, targets = recorded(folder, allow)
    names = _chosen(run, model)
    sets, rule = feature_sets(config, targets), signal_rule(config, targets)
    kind = trusting(strategy_class(config, targets), targets.own)
    places = [checked(run.folder, name, targets.own) for name in names]
    strange = [place for place in places if not signed(place)]
    if strange:
        try_models(strange, f"{kind.__module__}.{kind.__qualname__}", targets.own)
    members = tuple(_member(place, kind, rule) for place in places)
    if len({m.ranges.features for m in members}) > 1:
        raise DataError(f"{run.folder}: its folds have different features; train the run again")
    return Served(run, sets, members, neutral(config), partial(backtest_of, config, targets))


def recorded(folder: str | Path, allow: Iterable[str] = ()) -> tuple[Run, dict[str, Any], Targets]:
    """A run, its configuration as plain values, and what that may name; DataError where the run keeps none."""
    run = load(folder)
    if run.manifest.get("status") != "done":
        raise DataError(f"{run.folder}: {run.why('model')}")
    if not run.config:
        raise DataError(f"{run.folder}: {run.why('.hydra/config.yaml')}")
    missing = [group for group in ("data", "features", "strategy", "signals") if group not in run.config]
    if missing:
        raise DataError(f"{run.folder}/.hydra/config.yaml: has no {missing[0]}; it is no barwise configuration")
    targets = Targets(Path(conf_dir()), allow)
    for key, value in run.config.items():
        if key not in _UNUSED:
            targets.check_filled(key, value)
    return run, run.config, targets


def _chosen(run: Run, model: str) -> list[str]:
    """The names of the models' folders below model/."""
    there = folder_inside(run.folder, "model")
    folds = sorted((p.name for p in there.iterdir() if re.fullmatch(r"fold-\d{1,6}", p.name)), key=_number)
    refit = (there / REFIT).exists()
    if model == "auto":
        model = REFIT if refit else "ensemble"
    if model == REFIT and not refit:
        raise ConfigError(f"--model {REFIT}: there is none yet; `python -m barwise refit {run.folder}` makes it")
    if model != REFIT and not folds:
        raise DataError(f"{run.folder}/model: holds no fold; {run.why('model')}")
    known = {REFIT: [REFIT], "last": folds[-1:], "ensemble": folds} | {name: [name] for name in folds}
    if model not in known:
        raise ConfigError(f"--model {model}: must be {_CHOICES}; there are {', '.join(folds)}")
    return known[model]


def _number(name: str) -> int:
    return int(name.partition("-")[2])


def _member(place: Path, kind: type[Strategy], rule: SignalRule) -> Member:
    """One model, loaded to serve."""
    strategy, scaler = loaded(place, kind)
    fitted = restored(rule, read_json(inside(place, "signals.json")), place / "signals.json")
    return Member(place.name, strategy, scaler, fitted, ranges_of(place))
