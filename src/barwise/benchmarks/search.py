"""Parameters chosen inside the folds, and by the sweep's way outside, on the same budget: what each promises too much.

Random walks, and markets with a planted reversal of five bars, of three symbols each; gross at zero cost. The first
half of a market is the experiment, and what was chosen is then run on the second half, which no choice has seen: what
was shown in the first less what was earned in the second is the optimism of the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.console.arguments import Arguments, compose
from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.data.calendar import periods_per_year
from barwise.evidence.deflated import Moments, sharpe
from barwise.evidence.sketch import sketch
from barwise.evidence.thresholds import EVIDENCE
from barwise.evidence.verdict import Record
from barwise.experiment.parts import Parts
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.samples import Panel
from barwise.strategies.base import Strategy
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.rule import FeatureRule
from barwise.strategies.search import Search, Searched, tell, untried
from barwise.strategies.space import space_of

_WINDOWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40)
_RIGHT = {"window": (4, 5, 6), "direction": (-1,)}  # the planted reversal, to a bar
_SYMBOLS = 3
_FREE = ("backtest.commission_bps=0", "backtest.slippage_bps=0", "backtest.borrow_bps=0")
_Build = Callable[[Mapping[str, Any], bool], Strategy]


def _past_returns(bars: Bars) -> dict[str, np.ndarray]:
    """Returns over each of _WINDOWS; row t uses bars up to t."""
    gone = {n: np.full(len(bars), np.nan) for n in _WINDOWS}
    for n, values in gone.items():
        values[n:] = bars.close[n:] / bars.close[:-n] - 1
    return {f"return_{n}": values for n, values in gone.items()}


def _rule(chosen: Mapping[str, Any], final: bool) -> Strategy:
    """Long or short by the sign of one past return: momentum of 20 bars unless something better is found."""
    return FeatureRule(f"return_{chosen.get('window', 20)}", direction=chosen.get("direction", 1))


def _trees(chosen: Mapping[str, Any], final: bool) -> Strategy:
    """Thirty boosted trees."""
    return LightGBMStrategy(30, early_stopping_rounds=None, **chosen)


@dataclass(frozen=True)
class _Kind:
    """What is tuned: how it is built, over which space, and how it trades."""

    name: str
    build: _Build
    space: Mapping[str, Any]
    signals: str


_KINDS = (
    _Kind("rule", _rule, {"window": list(_WINDOWS), "direction": [1, -1]}, "none"),
    _Kind("trees", _trees, {
        "num_leaves": {"low": 2, "high": 32, "log": True}, "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
        "min_data_in_leaf": {"low": 10, "high": 300, "log": True},
        "feature_fraction": {"low": 0.2, "high": 1.0},
    }, "proportional"),
)  # fmt: skip


@dataclass(frozen=True)
class _Outcome:
    """One way on one market: Sharpe ratios a year shown in the first half and earned in the second, p as the verdict
    has it, and whether the planted parameter was chosen for the second half."""

    shown: float
    earned: float
    p_value: float
    found: bool


class _Halves:
    """One market, its first half and the whole of it."""

    def __init__(self, kind: _Kind, seed: int, bars: int, ic: float) -> None:
        market = synthetic.load(n_symbols=_SYMBOLS, n_bars=2 * bars, seed=seed, ic=ic).bars
        self.kind, self.seed = kind, seed
        self.first = _Half(kind, [b.take(slice(0, bars)) for b in market], "walk_forward", seed)
        self.whole = _Half(kind, list(market), "holdout", seed)

    def earned(self, strategy: Strategy) -> tuple[float, dict[str, Any]]:
        """What the strategy, fit on the first half, earns in the second, and what its fit said."""
        _, net, (facts,) = self.whole.run(strategy)
        return sharpe(net) * self.whole.per_year**0.5, facts

    def inside(self, search: Search) -> _Outcome:
        """Chosen anew in each fold: one trial."""
        strategy = Searched(self.kind.build, search)
        when, net, _ = self.first.run(strategy)
        earned, facts = self.earned(strategy)
        return _Outcome(
            sharpe(net) * self.first.per_year**0.5, earned, _p_value([(when, net)], 0),
            _right(facts["search"]["chosen"]),
        )  # fmt: skip

    def outside(self, search: Search) -> tuple[_Outcome, float]:
        """The sweep's way: as many trials, each out of sample, the best by Sharpe ratio; and its p were it not counted
        that there were so many."""
        study, _ = search.study(self.kind.build({}, False), self.seed)
        space = space_of(search.space)
        tried: list[tuple[Mapping[str, Any], np.ndarray, np.ndarray]] = []
        known: dict[str, float | None] = {}
        for number in range(search.trials):
            new = untried(study, space, known) if number else None
            chosen: Mapping[str, Any] = new[1] if new else {}
            when, net, _ = self.first.run(self.kind.build(chosen, False))
            tried.append((chosen, when, net))
            if new:
                known[repr(chosen)] = value = sharpe(net)
                tell(study, new[0], value)
        best = int(np.nanargmax([sharpe(net) for _, _, net in tried]))
        chosen, when, net = tried[best]
        found = _Outcome(
            sharpe(net) * self.first.per_year**0.5, self.earned(self.kind.build(chosen, True))[0],
            _p_value([(w, x) for _, w, x in tried], best), _right(chosen),
        )  # fmt: skip
        return found, _p_value([(when, net)], 0)


class _Half:
    """Bars, their panel, folds and how they are traded."""

    def __init__(self, kind: _Kind, bars: list[Bars], validation: str, seed: int) -> None:
        more = ["validation.splitter.test_fraction=0.5"] if validation == "holdout" else []
        parts = parts_of(
            compose([f"validation={validation}", "strategy=ridge", f"signals={kind.signals}", *_FREE, *more])
        )
        self.parts: Parts = parts
        self.panel: Panel = build_panel(build(bars, {"past": _past_returns}, 1), parts.labels)
        self.folds, self.seed = parts.validation.folds(self.panel), seed
        self.grid = Grid.build(bars)
        self.per_year = periods_per_year(self.grid.time)

    def run(self, strategy: Strategy) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Time and returns out of sample, and what each fold said."""
        session = FitSession(seed=self.seed)
        table = walk(self.panel, self.folds, strategy, self.parts.signals, session)
        ledger = self.parts.backtest.run(self.grid, table.signals(), self.per_year)
        return ledger.time, ledger.net, [one.facts for one in session.finished]


def _right(chosen: Mapping[str, Any]) -> bool:
    """Whether the planted parameter was chosen."""
    return all(chosen.get(name) in values for name, values in _RIGHT.items())


def _p_value(tried: list[tuple[np.ndarray, np.ndarray]], best: int) -> float:
    """The verdict's p of the trial `best` after all of them."""
    entries = {str(k): {"status": "done", "sharpe": sharpe(net), "bars": len(net), "net": sketch(when, net)}
               for k, (when, net) in enumerate(tried)}  # fmt: skip
    return float(Record(entries).judgement(Moments.of(tried[best][1]))["p_value"])


def _rows(kind: _Kind, ic: float, bars: int, markets: int, trials: int) -> Iterator[str]:
    """The lines of one kind of market."""
    search = Search(space=kind.space, trials=trials, folds=4, patience=None, prune_below=None)
    inside, outside, alone = [], [], []
    for seed in range(markets):
        market = _Halves(kind, seed, bars, ic)
        inside.append(market.inside(search))
        found, naive = market.outside(search)
        outside.append(found)
        alone.append(naive)
    line = partial(_line, f"{kind.name:<6} {ic:5.2f} {markets:8d}")
    yield line("inside", inside, [one.p_value for one in inside])
    yield line("outside, counted", outside, [one.p_value for one in outside])
    yield line("outside, uncounted", outside, alone)


def _line(head: str, way: str, found: list[_Outcome], p: list[float]) -> str:
    shown, earned = (np.array([getattr(one, name) for one in found]) for name in ("shown", "earned"))
    apart = shown - earned
    error = apart.std(ddof=1) / len(apart) ** 0.5
    return (
        f"{head} {way:<19} {shown.mean():7.2f} {earned.mean():7.2f} {apart.mean():9.2f} ± {error:4.2f}"
        f" {np.mean(np.array(p) <= EVIDENCE):9.1%} {np.mean([one.found for one in found]):7.1%}"
    )


def main(words: list[str]) -> None:
    """Print what each way shows and earns, on random walks and on planted markets."""
    parser = Arguments("benchmark search", "Tuning inside the folds beside tuning outside, on the same budget.")
    parser.add_argument("--markets", type=int, default=40, help="of each kind, for the rule (default 40)")
    parser.add_argument("--trees", type=int, default=8, help="of each kind, for trees (default 8)")
    parser.add_argument("--bars", type=int, default=1000, help="of each half (default 1000)")
    parser.add_argument("--trials", type=int, default=20, help="of a search, and of a sweep (default 20)")
    parser.add_argument("--ic", type=float, default=0.15, help="of the planted pattern (default 0.15)")
    given = parser.parse_args(words)
    begin = time.perf_counter()
    print(f"{'tuned':<6} {'ic':>5} {'markets':>8} {'way':<19} {'shown':>7} {'earned':>7} {'optimism':>16} {'p<=.05':>9}"
          f" {'found':>7}")  # fmt: skip
    for kind, markets in zip(_KINDS, (given.markets, given.trees), strict=True):
        for ic in (0.0, given.ic) if markets else ():
            for line in _rows(kind, ic, given.bars, markets, given.trials):
                print(line, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s; shown and earned: Sharpe ratios a year; optimism: their difference")
