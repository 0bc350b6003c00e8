"""What every part must keep to, whoever wrote it: checks of feature sets, labelers, splitters, strategies and rules.

`python -m barwise contracts hydra.searchpath=[file://own/conf]` runs them over conf/ and a folder of one's own.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from barwise.audit.scores import dates_of, rescored, walked
from barwise.backtest.grid import Grid, Signals
from barwise.cross_labels import bound as bound_labels
from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.errors import BarwiseError
from barwise.experiment.parts import Parts
from barwise.experiment.ranges import learned, restored
from barwise.experiment.run import fit_fold, scores_of
from barwise.experiment.session import FitSession
from barwise.features.aligned import bound
from barwise.features.matrix import build, compute
from barwise.panel import build_panel
from barwise.samples import Panel
from barwise.strategies.hooks import mistakes
from barwise.validation.folds import Fold, touches

PIECES = 4  # dates whose bars are scored again by themselves
BARS, CUT = 700, 600  # and how many are kept when the later ones are taken away


class Broken(BarwiseError):
    """A part that does not keep to its contract."""


@dataclass(frozen=True)
class Bench:
    """A small market with quotes and an index, and what the parts make of it."""

    parts: Parts
    allow: tuple[str, ...] = ()  # nets of the user's that a saved model may name

    @cached_property
    def bars(self) -> tuple[Bars, ...]:
        some = synthetic.load(n_symbols=2, n_bars=BARS, seed=7).bars
        index = some[0].close
        return tuple(replace(b, extra={"bid": b.close * 0.9995, "ask": b.close * 1.0005, "index": index}) for b in some)

    @cached_property
    def panel(self) -> Panel:
        return build_panel(build(self.bars, self.parts.features), self.parts.labels)

    @cached_property
    def folds(self) -> list[Fold]:
        return self.parts.validation.folds(self.panel)

    def fit(self) -> tuple[Any, Any]:
        """The strategy fit on the first fold, from the same seed each time."""
        fold = self.folds[0]
        return fit_fold(self.panel, fold, copy.deepcopy(self.parts.strategy), FitSession().context(fold))


def features(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Row t uses bars up to t, and the same bars give the same rows."""
    cut = tuple(b.take(slice(0, CUT)) for b in bench.bars)
    every, first, twice = (bound(bench.parts.features, some) for some in (bench.bars, cut, bench.bars))
    for bars, before in zip(bench.bars, cut, strict=True):
        whole, early = compute(bars, every), compute(before, first)
        yield "the same columns, however many bars there are", list(whole) == list(early)
        for name, values in whole.items():
            same = np.array_equal(np.asarray(values)[:CUT], np.asarray(early[name]), equal_nan=True)
            yield f"{name} does not change when later bars are taken away", same
        again = compute(bars, twice)
        yield "the same bars give the same rows", all(np.array_equal(whole[n], again[n], equal_nan=True) for n in whole)


def labels(bench: Bench) -> Iterator[tuple[str, bool]]:
    """A label ends after its bar, and what has ended does not change."""
    cut = [bars.take(slice(0, CUT)) for bars in bench.bars]
    every, first = bound_labels(bench.parts.labels, bench.bars), bound_labels(bench.parts.labels, cut)
    for bars, before in zip(bench.bars, cut, strict=True):
        whole, early = every(bars), first(before)
        known = np.isfinite(whole.ret)
        yield "some bars have a label", bool(known.any())
        yield "a label ends later than its bar", bool((whole.end[known] > bars.time[known]).all())
        yield "a label with a return has an end", not np.isnat(whole.end[known]).any()
        yield "the last bar has no label yet", not np.isfinite(whole.ret[-1])
        over = np.isfinite(early.ret)
        yield "a label that has ended does not change", np.array_equal(whole.ret[:CUT][over], early.ret[over])
        yield "weights are above 0", bool((whole.weight[known] > 0).all())


def validation(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Training and test rows lie apart, by the stretch of their labels."""
    yield "there is a fold", len(bench.folds) > 0
    for fold in bench.folds:
        yield f"fold {fold.number} tests something", len(fold.test) > 0
        yield f"fold {fold.number} purges its training rows", not touches(bench.panel, fold.train, fold.test).any()
        yield f"fold {fold.number} purges its validation rows", not touches(bench.panel, fold.valid, fold.test).any()


def strategy(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Scores lie in [-1, 1], depend on the seed and the past alone, and survive being saved."""
    for mistake in mistakes(bench.parts.strategy):
        yield f"its optional methods and attributes are what they look like: {mistake}", False
    rows, before = bench.folds[0].test, bench.panel.X.copy()
    model, scaler = bench.fit()
    scores = scores_of(model, bench.panel, rows, scaler)
    known = scores[np.isfinite(scores)]
    yield "it scores defined rows", len(known) > 0
    yield "scores lie between -1 and 1", bool((np.abs(known) <= 1).all())
    yield "it leaves the features as they are", np.array_equal(bench.panel.X, before, equal_nan=True)
    twin, its_scaler = bench.fit()
    again = scores_of(twin, bench.panel, rows, its_scaler)
    yield "the same seed gives the same scores", np.array_equal(scores, again, equal_nan=True)
    half = rows[: len(rows) // 2]
    early = scores_of(model, bench.panel, half, scaler)
    close = np.allclose(scores[: len(half)], early, rtol=0, atol=1e-6, equal_nan=True)
    yield "a score does not depend on the rows beside it", close
    found = rescored("", lambda part, own: scores_of(model, part, own, scaler), bench.panel, rows, scores,
                     dates_of(bench.panel, rows, PIECES, [0]))  # fmt: skip
    yield "a score needs no later bar and no label that was not known", not found.findings
    if hasattr(model, "advance"):
        row = int(rows[-1])
        live = walked(model, "", bench.panel, rows, scores, scaler, row)
        yield (
            "scored in pieces, as it is served, it scores the same (hidden keeps the state it is given)",
            not live.findings,
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        kind = type(model)
        if hasattr(kind, "own_nets"):
            kind = type(kind.__name__, (kind,), {"own_nets": frozenset(bench.allow)})
        loaded = kind.load(Path(folder))
        pickles = [p.name for p in Path(folder).rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib", ".pt")]
    saved = scores_of(loaded, bench.panel, rows, scaler)
    yield "a saved model gives the same scores", np.allclose(scores, saved, rtol=0, atol=1e-7, equal_nan=True)
    yield "it saves no pickle", not pickles


def signals(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Signals lie in [-1, 1]; no score is no position; what was learned can be kept."""
    random = np.random.default_rng(0)
    score, time = random.uniform(-1, 1, 400), np.repeat(bench.bars[0].time[:200], 2)
    rule = copy.deepcopy(bench.parts.signals).fit(score)
    holes = np.where(np.arange(400) % 7 == 0, np.nan, score)
    signal = rule(holes, time)
    yield "signals lie between -1 and 1", bool((np.abs(signal) <= 1).all())
    yield "a row without a score is flat", bool((signal[np.isnan(holes)] == 0).all())
    yield "it trades some of these scores", bool(np.any(signal != 0))
    kept = restored(bench.parts.signals, learned(rule), Path("signals.json"))
    yield "what it learned can be kept", np.array_equal(kept(holes, time), signal)


def backtest(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Doing nothing earns nothing, and trading costs."""
    grid = Grid.build(bench.bars)
    symbol = np.repeat([0, 1], BARS)
    time = np.concatenate([b.time for b in bench.bars])
    flat = bench.parts.backtest.run(grid, Signals(symbol, time, np.zeros(2 * BARS)), 252.0)
    yield "doing nothing earns nothing", bool(np.all(flat.net == 0))
    side = np.where(np.arange(2 * BARS) // 5 % 2 == 0, 1.0, -1.0)
    busy = bench.parts.backtest.run(grid, Signals(symbol, time, side), 252.0)
    yield "costs are never below zero", bool((busy.cost >= 0).all())
    yield "trading costs", float(busy.cost.sum()) > 0


CONTRACTS: Mapping[str, Callable[[Bench], Iterator[tuple[str, bool]]]] = {
    "features": features,
    "labels": labels,
    "validation": validation,
    "strategy": strategy,
    "strategy/net": strategy,
    "signals": signals,
    "backtest": backtest,
}


def check(group: str, parts: Parts, allow: Sequence[str] = ()) -> int:
    """How many promises of the group's contract were tried; Broken names the first that is not kept."""
    tried = 0
    for promise, kept in CONTRACTS[group](Bench(parts, tuple(allow))):
        if not kept:
            raise Broken(f"{group}: not kept: {promise}")
        tried += 1
    return tried
