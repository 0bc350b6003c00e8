"""Does the verdict cry skill where there is none, and does it see skill that is there?

Sweeps on synthetic markets of five symbols, through the real pipeline in one process, gross at zero cost: costs would
hide a verdict that is too kind. Trials of one market share its features, and those that differ in their signals alone
share their scores.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.backtest.metrics import net_sharpe, regression
from barwise.console.arguments import Arguments, compose
from barwise.data import synthetic
from barwise.data.calendar import periods_per_year
from barwise.evidence.deflated import Moments, sharpe
from barwise.evidence.reality_check import reality_check
from barwise.evidence.sentence import Finding
from barwise.evidence.sketch import sketch
from barwise.evidence.thresholds import EVIDENCE, LEVEL
from barwise.evidence.verdict import Record
from barwise.experiment.fitting import fit_fold
from barwise.experiment.groundwork import held_as_labelled
from barwise.experiment.parts import Parts
from barwise.experiment.recipe import parts_of
from barwise.experiment.results import OutOfSample
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.samples import Panel
from barwise.strategies.rows import scores_of

_FREE = ("backtest.commission_bps=0", "backtest.slippage_bps=0", "backtest.borrow_bps=0")
_SETS = ("normalized", "lagged", "price", "technical", "volume")
_PAIRS = ("[price,volume]", "[price,technical]", "[technical,volume]", "microstructure", "alpha20")
_RULES = ("quantile", "rank", "proportional", "quantile signals.upper=0.6 signals.lower=0.4", "rank signals.top=0.4")
_SWEEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "10 trials": (  # that differ in what they see and in how they trade
        *((f"features={name}", "signals=quantile") for name in _SETS),
        *((f"features={name}", "signals=rank") for name in ("normalized", "lagged", "technical", "volume")),
        ("features=microstructure", "signals=proportional"),
    ),
    "50 trials": tuple((f"features={x}", *f"signals={rule}".split()) for x in (*_SETS, *_PAIRS) for rule in _RULES),
    "12 labels": (
        *(
            (f"labels.horizon={h}", "labels=forward_return", "signals=proportional")
            for h in (1, 2, 3, 5, 8, 10, 15, 20)
        ),
        *((f"labels.horizon={h}", "labels=triple_barrier", "signals=quantile") for h in (3, 5, 10)),
        ("labels=next_return_sign", "signals=quantile"),
    ),
}
_SYMBOLS = 5  # a market
_NAIVE = 1.6449  # t of a one-sided test at 5 %


@dataclass(frozen=True)
class _Outcome:
    """What a sweep on one market ended with: of its best trial t, p, DSR, how the gates of delay and market went, and
    whether the sentence says Evidence; p of the reality check; how many independent trials it was worth."""

    t: float
    p_value: float
    dsr: float
    delay: bool
    market: bool
    evidence: bool
    reality: float
    n_effective: float


@dataclass(frozen=True)
class _Cell:
    """Markets of one kind: how many looked significant, and how many the verdict believed."""

    sweep: str
    ic: float
    bars: int
    outcomes: Sequence[_Outcome]

    def share(self, found: Any) -> float:
        return float(np.mean([found(o) for o in self.outcomes]))

    @cached_property
    def naive(self) -> float:
        return self.share(lambda o: o.t > _NAIVE)

    @cached_property
    def believed(self) -> float:
        """p at most 0.05, before the gates of delay, market and seeds."""
        return self.share(lambda o: o.p_value <= EVIDENCE)

    @cached_property
    def deflated(self) -> float:
        return self.share(lambda o: o.dsr > LEVEL)

    @property
    def n_effective(self) -> float:
        return self.share(lambda o: o.n_effective)

    def row(self) -> str:
        """A line of the table."""
        delay = self.share(lambda o: o.p_value <= EVIDENCE and o.delay)
        market = self.share(lambda o: o.p_value <= EVIDENCE and o.market)
        evidence = self.share(lambda o: o.evidence)
        reality = self.share(lambda o: o.reality <= EVIDENCE)
        return (
            f"{self.sweep:<10} {self.ic:5.2f} {self.bars:6d} {len(self.outcomes):8d} {self.naive:10.1%}"
            f" {self.believed:9.1%} {reality:9.1%} {self.deflated:9.1%} {delay:11.1%} {market:11.1%}"
            f" {evidence:9.1%} {self.n_effective:9.1f}"
        )


_HEAD = (
    f"{'sweep':<10} {'ic':>5} {'bars':>6} {'markets':>8} {'naive 5 %':>10} {'p<=.05':>9} {'reality':>9} {'DSR>.95':>9}"
    f" {'gone later':>11} {'the market':>11} {'evidence':>9} {'worth':>9}"
)


def _sweep_parts(sweep: str = "10 trials") -> list[Parts]:
    """The trials, composed as `train.py` would compose them."""
    return [parts_of(compose(["data=synthetic", "strategy=ridge", *_FREE, *words])) for words in _SWEEPS[sweep]]


@dataclass
class _MarketOf:
    """One synthetic market, with what its trials share."""

    seed: int
    bars: int
    ic: float

    def __post_init__(self) -> None:
        self.market = synthetic.load(n_symbols=_SYMBOLS, n_bars=self.bars, seed=self.seed, ic=self.ic)
        self.grid = Grid.build(self.market.bars)
        self.per_year = periods_per_year(self.grid.time)
        self.session = FitSession()
        self.matrices: dict[Any, Any] = {}
        self.scored: dict[Any, tuple[Panel, list[Any]]] = {}

    def held(self, trial: Parts) -> Backtest:
        """How the trial trades: as long as its label says."""
        panel, found = self.scores(trial)
        return held_as_labelled(trial, panel, [fold for fold, _, _ in found]).backtest

    def table(self, trial: Parts) -> OutOfSample:
        """Scores and signals out of sample, as `barwise.experiment.run.walk` has them."""
        panel, found = self.scores(trial)
        parts = []
        for fold, valid, test in found:
            rule = copy.deepcopy(trial.signals).fit(valid)
            parts.append(OutOfSample.of(panel, fold, test, rule(test, panel.time[fold.test])))
        return OutOfSample.join(parts)

    def scores(self, trial: Parts) -> tuple[Panel, list[Any]]:
        """The panel, and each fold with the scores of its validation and test rows; kept for trials that share them."""
        sets = tuple(trial.features)
        key = (sets, repr(trial.labels))
        if key not in self.scored:
            if sets not in self.matrices:
                self.matrices[sets] = build(self.market.bars, trial.features, 1)
            panel = build_panel(self.matrices[sets], trial.labels)
            found = []
            for fold in trial.validation.folds(panel):
                model, scaler = fit_fold(panel, fold, copy.deepcopy(trial.strategy), self.session.context(fold))
                valid, test = (scores_of(model, panel, rows, scaler) for rows in (fold.valid, fold.test))
                found.append((fold, valid, test))
            self.scored[key] = panel, found
        return self.scored[key]


def _trials_of(parts: Sequence[Parts], market: _MarketOf) -> Iterator[tuple[np.ndarray, np.ndarray, OutOfSample]]:
    """Time, net returns and signals of each trial on one market."""
    for trial in parts:
        table = market.table(trial)
        ledger = market.held(trial).run(market.grid, table.signals(), market.per_year)
        yield ledger.time, ledger.net, table


def _outcome(parts: Sequence[Parts], seed: int, bars: int, ic: float) -> _Outcome:
    """A sweep on one market, each trial counted, and the verdict on its best by Sharpe ratio."""
    market = _MarketOf(seed, bars, ic)
    found = list(_trials_of(parts, market))
    entries = {
        str(k): {"status": "done", "sharpe": sharpe(net), "bars": len(net), "net": sketch(when, net)}
        for k, (when, net, _) in enumerate(found)
    }
    ratios = [sharpe(net) for _, net, _ in found]
    best = int(np.nanargmax(ratios))
    when, net, table = found[best]
    backtest = market.held(parts[best])
    held = backtest.run(market.grid, _everything(table), market.per_year)
    record = Record(entries, sketch(held.time, held.excess))
    about = record.judgement(Moments.of(net))
    t_alpha = regression(net, held.excess, market.per_year)["t_stat"]
    delayed = net_sharpe(backtest.run(market.grid, table.signals(), market.per_year, delay=1), market.per_year)
    beside = None if t_alpha is None else record.max_alpha.p_value(t_alpha)
    gates = Finding(about["p_value"], len(found), 1, t_alpha, delayed, p_alpha=beside)
    times = when[np.all([np.isin(when, other) for other, _, _ in found], axis=0)]
    check = reality_check(np.column_stack([x[np.isin(w, times)] for w, x, _ in found]))
    return _Outcome(
        ratios[best] * len(net) ** 0.5, about["p_value"], about["dsr"], gates.of_the_moment, gates.of_market,
        gates.believed, check.p_value if check else 1.0, record.independent[0],
    )  # fmt: skip


def _everything(table: OutOfSample) -> Signals:
    """Buy and hold of what the table scored."""
    return Signals(table.symbol, table.time, np.ones(len(table.signal)))


def _cell(parts: Sequence[Parts], ic: float, bars: int, markets: int, sweep: str = "10 trials") -> _Cell:
    """Sweeps on `markets` markets of one kind; their seeds are 0, 1, 2, …"""
    return _Cell(sweep, ic, bars, [_outcome(parts, seed, bars, ic) for seed in range(markets)])


def main(words: list[str]) -> None:
    """Print the share of sweeps whose best trial looks significant, and that the verdict believes, per kind."""
    parser = Arguments("benchmark verdicts", "False alarms on random walks, and skill found on planted patterns.")
    parser.add_argument("--markets", type=int, default=200, help="random walks, and markets at 2,000 bars (200)")
    parser.add_argument("--planted", type=int, default=40, help="markets a point of the curve (default 40)")
    parser.add_argument("--bars", type=int, nargs="*", default=[500, 1000, 4000, 8000], help="points of the curve")
    given = parser.parse_args(words)
    begin = time.perf_counter()
    kinds = [(sweep, 0.0, 1250, given.markets) for sweep in _SWEEPS]
    kinds += [("10 trials", 0.05, 2000, given.markets)]
    kinds += [("10 trials", ic, bars, given.planted) for ic in (0.05, 0.1) for bars in given.bars]
    print(_HEAD)
    for sweep, ic, bars, markets in kinds:
        print(_cell(_sweep_parts(sweep), ic, bars, markets, sweep).row(), flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
