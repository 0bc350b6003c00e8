"""Strategies made of others: a part with a scaler of its own, and how parts are saved and loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from barwise.console.settings import shown
from barwise.data.memmap import ReadsInBlocks
from barwise.errors import ConfigError, require
from barwise.safety.files import folder_inside, inside
from barwise.samples import Samples, Scaler
from barwise.strategies import scores
from barwise.strategies.base import FitContext, Strategy, log_nowhere
from barwise.strategies.hooks import Budgeted, needs_torch, with_own_budget
from barwise.strategies.rows import scores_of, usable

_SHIPPED = re.compile(r"barwise\.strategies\.\w+\.[A-Z]\w*")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST = 1000  # parts of one model
_SCALER = "scaler.safetensors"


@dataclass
class Part:
    """A strategy within another, and the scaler that it was fit with."""

    strategy: Strategy
    scaler: Scaler | None = None

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        """Fit on those of the raw `train` and `valid` rows that the strategy can read."""
        panel = train.panel
        learn, watch = (some.rows[usable(self.strategy, panel, some.rows)] for some in (train, valid))
        self.scaler = Scaler.fit(panel.X, learn) if self.strategy.scale else None
        if context.folder is not None:
            context.folder.mkdir(parents=True, exist_ok=True)
        self.strategy.fit(Samples(panel, learn, self.scaler), Samples(valid.panel, watch, self.scaler), context)
        return self

    def scores(self, samples: Samples) -> np.ndarray:
        """Scores of raw samples; NaN where the strategy cannot read the row."""
        return scores_of(self.strategy, samples.panel, samples.rows, self.scaler)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.strategy.save(folder)
        if self.scaler is not None:
            self.scaler.save(folder / _SCALER)


def offer(whole: Any, *parts: Strategy) -> None:
    """Set what the core asks every strategy, as a whole made of `parts` that scale their rows themselves needs it."""
    for part in parts:
        require(
            callable(getattr(part, "predict", None)) and hasattr(part, "lookback"),
            f"strategy: {type(whole).__name__} is made of strategies, of which {shown(part)} is none; name one, as in"
            " strategy@strategy.primary=ridge",
        )
    whole.lookback = max(part.lookback for part in parts)
    whole.takes_nan = any(part.takes_nan for part in parts)
    whole.needs_torch = any(needs_torch(part) for part in parts)
    whole.in_blocks = all(isinstance(part, ReadsInBlocks) and part.in_blocks for part in parts)


def part_context(context: FitContext, name: str, seed: int = 0, heard: bool = False) -> FitContext:
    """What a fit lends to that of a part: a folder and facts of its own; only one that is `heard` logs and reports."""
    return replace(
        context,
        seed=(context.seed + 1_000_003 * seed) % 2**31,
        folder=context.folder / name if context.folder is not None else None,
        log=context.log if heard else log_nowhere,
        report=context.report if heard else None,
        facts={},
    )


def budgeted(strategy: Strategy, facts: Mapping[str, Any]) -> Strategy:
    """The strategy, to be trained on all rows for as many rounds or epochs as validation found best."""
    found: Strategy = strategy.budgeted(facts) if isinstance(strategy, Budgeted) else with_own_budget(strategy, facts)
    return found


def save_parts(folder: Path, kind: str, parts: Mapping[str, Part], settings: Mapping[str, Any]) -> None:
    """Each part in a folder of its own, and `strategy.json` with their classes and `settings`."""
    for name, part in parts.items():
        part.save(folder / name)
    kinds = {name: f"{(k := type(part.strategy)).__module__}.{k.__qualname__}" for name, part in parts.items()}
    scores.save_settings(folder, kind, {**settings, "parts": kinds})


def load_parts(folder: Path, kind: str, own: frozenset[str]) -> tuple[dict[str, Part], dict[str, Any]]:
    """What `save_parts` wrote; ConfigError for a part that barwise does not ship and the user did not allow."""
    settings = scores.load_settings(folder, kind)
    kinds = settings.pop("parts", None)
    if not isinstance(kinds, dict) or not 1 <= len(kinds) <= _MOST:
        raise ConfigError(f"{folder / 'strategy.json'}: names no parts; it is not loaded")
    parts = {}
    for name, target in kinds.items():
        if not NAME.fullmatch(str(name)):
            raise ConfigError(f"{folder / 'strategy.json'}: {name!r:.40} is no name of a part; it is not loaded")
        place = folder_inside(folder, str(name))
        scaler = inside(place, _SCALER)
        made = _known_strategy(target, own).load(place)
        parts[str(name)] = Part(made, Scaler.load(scaler) if scaler.is_file() else None)
    return parts, settings


def _known_strategy(target: Any, own: frozenset[str]) -> type[Strategy]:
    """The strategy's class; ConfigError unless barwise ships it or it is in `own`: a run's directory is not trusted."""
    module, _, name = str(target).rpartition(".")
    known = _SHIPPED.fullmatch(str(target)) is not None or target in own
    try:
        found = getattr(import_module(module), name, None) if known else None
    except ImportError:
        found = None
    methods = ("fit", "predict", "save", "load")
    if not (isinstance(found, type) and all(callable(getattr(found, method, None)) for method in methods)):
        raise ConfigError(
            f"{target!s:.80}: is no strategy of barwise's; if you trust it, allow it by name: --allow {target!s:.80}"
        )
    return trusting(found, own)


def trusting(kind: type[Strategy], own: frozenset[str]) -> type[Strategy]:
    """The class; what the user allowed by name, nets and parts, is allowed in this one alone."""
    if not own or not hasattr(kind, "own_nets"):
        return kind
    found: type[Strategy] = type(kind.__name__, (kind,), {"own_nets": own, "__module__": kind.__module__})
    return found
