"""What every part must keep to, whoever wrote it: checks of data sources, feature sets,
labelers, splitters, strategies and rules.

`python -m barwise contracts hydra.searchpath=[file://own/conf]` runs them over conf/ and a folder of one's own.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from barwise import hooks
from barwise.audit.findings import Finding
from barwise.audit.portfolio import probe, weights_wait
from barwise.audit.scores import dates_of, rescored, walked
from barwise.backtest import hooks as trading
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.hooks import portfolio_of
from barwise.backtest.ledger import Ledger
from barwise.cross_labels import bound as bound_labels
from barwise.data import synthetic
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.data.sessions import Clock
from barwise.errors import BarwiseError, ConfigError
from barwise.experiment.fitting import fit_fold
from barwise.experiment.parts import Parts
from barwise.experiment.ranges import learned, restored
from barwise.experiment.session import FitSession
from barwise.features.aligned import AcrossSymbols, bound
from barwise.features.matrix import build, compute
from barwise.panel import build_panel
from barwise.portfolio import hooks as weighing
from barwise.runs.directory import plain
from barwise.samples import Panel
from barwise.strategies.hooks import OwnNets, Stateful, mistakes
from barwise.strategies.rows import scores_of
from barwise.validation import hooks as dividing
from barwise.validation.folds import Fold, touches

_PIECES = 4  # dates whose bars are scored again by themselves
_BARS, _CUT = 700, 600  # and how many are kept when the later ones are taken away


class Broken(BarwiseError):
    """A part that does not keep to its contract."""


@dataclass(frozen=True)
class Bench:
    """A small market with quotes, an index and a calendar, and what the parts make of it."""

    parts: Parts
    allow: tuple[str, ...] = ()  # nets of the user's that a saved model may name

    @cached_property
    def bars(self) -> tuple[Bars, ...]:
        some = synthetic.load(n_symbols=2, n_bars=_BARS, seed=7).bars
        index = some[0].close
        bars = tuple(replace(b, extra={"bid": b.close * 0.9995, "ask": b.close * 1.0005, "index": index}) for b in some)
        with contextlib.suppress(ConfigError):  # without exchange_calendars no set asks for one
            bars = Clock("24/7").on(Market(bars)).bars
        return bars

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


Promises = Iterator[tuple[str, bool]]


def _looked_up(found: Iterator[str]) -> Promises:
    """What is looked up by its name is what it looks like."""
    for mistake in found:
        yield f"its optional methods and attributes are what they look like: {mistake}", False


def _data(bench: Bench) -> Promises:
    """The same bars each time, one series a symbol, in order, and facts that run.json can hold."""
    market = bench.parts.data()
    yield "it gives a Market", isinstance(market, Market)
    yield "there is a symbol", len(market.bars) > 0
    yield "symbols come in order, each once", list(market.symbols) == sorted(set(market.symbols))
    for bars in market.bars:
        arrays = [getattr(bars, name) for name in COLUMNS]
        yield f"{bars.symbol}: prices and volume are float64", all(x.dtype == np.float64 for x in arrays)
        yield f"{bars.symbol}: its columns have one length", {len(x) for x in arrays} == {len(bars.time)}
        yield f"{bars.symbol}: times are datetime64[ns]", bars.time.dtype == np.dtype("datetime64[ns]")
    yield "its bars pass the checks of a run", check_market(market) is not None
    per_year = market.periods_per_year
    yield "bars a year are a number above 0, or None for the times to tell", per_year is None or per_year > 0
    yield "its facts can stand in run.json", not _odd(market.facts)
    yield "asked again, it gives the same bars", data_hash(bench.parts.data()) == data_hash(market)


def _odd(facts: Mapping[str, Any]) -> list[str]:
    """Facts that are no plain values: run.json would hold their repr."""
    return [
        name
        for name, value in facts.items()
        if isinstance(plain(value), str) and not isinstance(value, str | np.datetime64 | datetime)
    ]


def _features(bench: Bench) -> Promises:
    """Row t uses bars up to t, and the same bars give the same rows."""
    for each in bench.parts.features.values():
        yield from _looked_up(hooks.mistakes(each, (AcrossSymbols,), kinds={"across_symbols": bool}))
    cut = tuple(b.take(slice(0, _CUT)) for b in bench.bars)
    every, first, twice = (bound(bench.parts.features, some) for some in (bench.bars, cut, bench.bars))
    for bars, before in zip(bench.bars, cut, strict=True):
        whole, early = compute(bars, every), compute(before, first)
        yield "the same columns, however many bars there are", list(whole) == list(early)
        for name, values in whole.items():
            same = np.array_equal(np.asarray(values)[:_CUT], np.asarray(early[name]), equal_nan=True)
            yield f"{name} does not change when later bars are taken away", same
        again = compute(bars, twice)
        yield "the same bars give the same rows", all(np.array_equal(whole[n], again[n], equal_nan=True) for n in whole)


def _labels(bench: Bench) -> Promises:
    """A label ends after its bar, and what has ended does not change."""
    yield from _looked_up(hooks.mistakes(bench.parts.labels, (AcrossSymbols,), kinds={"across_symbols": bool}))
    cut = [bars.take(slice(0, _CUT)) for bars in bench.bars]
    every, first = bound_labels(bench.parts.labels, bench.bars), bound_labels(bench.parts.labels, cut)
    for bars, before in zip(bench.bars, cut, strict=True):
        whole, early = every(bars), first(before)
        known = np.isfinite(whole.ret)
        yield "some bars have a label", bool(known.any())
        yield "a label ends later than its bar", bool((whole.end[known] > bars.time[known]).all())
        yield "a label with a return has an end", not np.isnat(whole.end[known]).any()
        yield "the last bar has no label yet", not np.isfinite(whole.ret[-1])
        over = np.isfinite(early.ret)
        yield "a label that has ended does not change", np.array_equal(whole.ret[:_CUT][over], early.ret[over])
        yield "weights are above 0", bool((whole.weight[known] > 0).all())


def _validation(bench: Bench) -> Promises:
    """Training and test rows lie apart, by the stretch of their labels."""
    yield from _looked_up(hooks.mistakes(bench.parts.validation, dividing.HOOKS, ("folds", "embargo")))
    yield "there is a fold", len(bench.folds) > 0
    for fold in bench.folds:
        yield f"fold {fold.number} tests something", len(fold.test) > 0
        yield f"fold {fold.number} purges its training rows", not touches(bench.panel, fold.train, fold.test).any()
        yield f"fold {fold.number} purges its validation rows", not touches(bench.panel, fold.valid, fold.test).any()


def _strategy(bench: Bench) -> Promises:
    """Scores lie in [-1, 1], depend on the seed and the past alone, and survive being saved."""
    yield from _looked_up(mistakes(bench.parts.strategy))
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
                     dates_of(bench.panel, rows, _PIECES, [0]))  # fmt: skip
    yield "a score needs no later bar and no label that was not known", not found.findings
    if isinstance(model, Stateful):
        row = int(rows[-1])
        live = walked(model, "", bench.panel, rows, scores, scaler, row)
        yield (
            "scored in pieces, as it is served, it scores the same (hidden keeps the state it is given)",
            not live.findings,
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        kind = type(model)
        if isinstance(model, OwnNets):
            kind = type(kind.__name__, (kind,), {"own_nets": frozenset(bench.allow)})
        loaded = kind.load(Path(folder))
        pickles = [p.name for p in Path(folder).rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib", ".pt")]
    saved = scores_of(loaded, bench.panel, rows, scaler)
    yield "a saved model gives the same scores", np.allclose(scores, saved, rtol=0, atol=1e-7, equal_nan=True)
    yield "it saves no pickle", not pickles


def _signals(bench: Bench) -> Promises:
    """Signals lie in [-1, 1]; no score is no position; what was learned can be kept."""
    yield from _looked_up(hooks.mistakes(bench.parts.signals, (AcrossSymbols,), kinds={"across_symbols": bool}))
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


def _backtest(bench: Bench) -> Promises:
    """Doing nothing earns nothing, and trading costs."""
    yield from _looked_up(hooks.mistakes(bench.parts.backtest, trading.HOOKS, ("run",), trading.KINDS))
    grid = Grid.build(bench.bars)
    symbol = np.repeat([0, 1], _BARS)
    time = np.concatenate([b.time for b in bench.bars])
    flat = bench.parts.backtest.run(grid, Signals(symbol, time, np.zeros(2 * _BARS)), 252.0)
    yield from _looked_up(hooks.mistakes(flat, trading.LEDGER, tuple(Ledger.__dataclass_fields__)))
    yield "doing nothing earns nothing", bool(np.all(flat.net == 0))
    side = np.where(np.arange(2 * _BARS) // 5 % 2 == 0, 1.0, -1.0)
    busy = bench.parts.backtest.run(grid, Signals(symbol, time, side), 252.0)
    yield "costs are never below zero", bool((busy.cost >= 0).all())
    yield "trading costs", float(busy.cost.sum()) > 0


def _portfolio(bench: Bench) -> Promises:
    """Weights of a bar depend on what was known by then, and no signal is no position."""
    whole = portfolio_of(bench.parts.backtest)
    yield from _looked_up(hooks.mistakes(whole.rule, weighing.HOOKS, kinds=weighing.KINDS))
    context = probe(whole, 0, bench.bars)
    weights = whole.weights(context)
    yield "a weight for each bar and symbol", weights.shape == context.has.shape
    yield "no weight is infinite", not np.isinf(weights).any()
    found = list(weights_wait(whole, 0, bench.bars))
    yield "weights of a bar need no later bar", not [one for one in found if isinstance(one, Finding)]


CONTRACTS: Mapping[str, Callable[[Bench], Promises]] = {
    "data": _data,
    "features": _features,
    "labels": _labels,
    "validation": _validation,
    "strategy": _strategy,
    "strategy/net": _strategy,
    "search": _strategy,
    "search/space": _strategy,
    "select": _strategy,
    "signals": _signals,
    "portfolio": _portfolio,
    "backtest": _backtest,
}


def check(group: str, parts: Parts, allow: Sequence[str] = ()) -> int:
    """How many promises of the group's contract were tried; Broken names the first that is not kept."""
    tried = 0
    for promise, kept in CONTRACTS[group](Bench(parts, tuple(allow))):
        if not kept:
            raise Broken(f"{group}: not kept: {promise}")
        tried += 1
    return tried
