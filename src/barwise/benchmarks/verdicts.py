"""Does the verdict cry skill where there is none, and does it see skill that is there?

Sweeps of ten trials on synthetic markets, through the real pipeline in one process, gross at zero cost: costs would
hide a verdict that is too kind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from barwise.backtest.grid import Grid
from barwise.console.arguments import Arguments, compose
from barwise.console.progress import Progress
from barwise.data import synthetic
from barwise.data.calendar import periods_per_year
from barwise.evidence import trials
from barwise.evidence.deflated import sharpe
from barwise.evidence.sketch import sketch
from barwise.evidence.verdict import LEVEL, verdict
from barwise.experiment.parts import Parts
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel

FREE = ("backtest.commission_bps=0", "backtest.slippage_bps=0", "backtest.borrow_bps=0")
SWEEP = (  # ten fast trials that differ in what they see and in how they trade
    *((f"features={name}", "signals=quantile") for name in ("normalized", "lagged", "price", "technical", "volume")),
    *((f"features={name}", "signals=rank") for name in ("normalized", "lagged", "technical", "volume")),
    ("features=microstructure", "signals=proportional"),
)
SYMBOLS = 5  # a market
NAIVE = 1.6449  # t of a one-sided test at 5 %


@dataclass(frozen=True)
class Outcome:
    """What a sweep on one market ended with: the best trial's t and DSR, and how many trials it was worth."""

    t: float
    dsr: float
    n_effective: float


@dataclass(frozen=True)
class Cell:
    """Markets of one kind: how many looked significant, and how many the verdict believed."""

    ic: float
    bars: int
    outcomes: Sequence[Outcome]

    @property
    def naive(self) -> float:
        return float(np.mean([o.t > NAIVE for o in self.outcomes]))

    @property
    def believed(self) -> float:
        return float(np.mean([o.dsr > LEVEL for o in self.outcomes]))

    @property
    def n_effective(self) -> float:
        return float(np.mean([o.n_effective for o in self.outcomes]))


def sweep_parts() -> list[Parts]:
    """The ten trials, composed as `train.py` would compose them."""
    return [parts_of(compose(["data=synthetic", "strategy=ridge", *FREE, *words])) for words in SWEEP]


def net_returns(parts: Sequence[Parts], seed: int, bars: int, ic: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Time and net returns of each trial on one market: features, labels, folds, fit, scores, signals, ledger."""
    market = synthetic.load(n_symbols=SYMBOLS, n_bars=bars, seed=seed, ic=ic)
    grid = Grid.build(market.bars)
    session = FitSession(None, "cpu", 1, 0, None, Progress(quiet=True))
    panels = {}
    for trial in parts:
        key = tuple(trial.features)
        if key not in panels:
            panels[key] = build_panel(build(market.bars, trial.features, 1), trial.labels)
        panel = panels[key]
        table = walk(panel, trial.validation.folds(panel), trial.strategy, trial.signals, session)
        ledger = trial.backtest.run(grid, table.signals(), periods_per_year(grid.time))
        yield ledger.time, ledger.net


def outcome(parts: Sequence[Parts], seed: int, bars: int, ic: float) -> Outcome:
    """A sweep on one market, each trial counted in a ledger of trials, and the verdict on its best."""
    with TemporaryDirectory() as folder:
        home, best = Path(folder), np.zeros(0)
        for number, (when, net) in enumerate(net_returns(parts, seed, bars, ic)):
            ratio = sharpe(net)
            entry = {"problem": "one", "trial": str(number), "status": "done", "sharpe": ratio}
            trials.enter(home, {**entry, "net": sketch(when, net)})
            if not len(best) or ratio > sharpe(best):
                best = net
        found = verdict(best, trials.read(home, "one"))
    return Outcome(sharpe(best) * len(best) ** 0.5, found["dsr"] or 0.0, found["n_effective"])


def cell(parts: Sequence[Parts], ic: float, bars: int, markets: int) -> Cell:
    """Sweeps on `markets` markets of one kind."""
    return Cell(ic, bars, [outcome(parts, seed, bars, ic) for seed in range(markets)])


def main(words: list[str]) -> None:
    """Print the share of sweeps whose best trial looks significant, and that the verdict believes, per kind."""
    parser = Arguments("benchmark verdicts", "False alarms on random walks, and skill found on planted patterns.")
    parser.add_argument("--markets", type=int, default=200, help="random walks (default 200)")
    parser.add_argument("--planted", type=int, default=40, help="markets a point of the curve (default 40)")
    parser.add_argument(
        "--bars", type=int, nargs="+", default=[500, 1000, 2000, 4000, 8000], help="points of the curve"
    )
    given = parser.parse_args(words)
    begin, parts = time.perf_counter(), sweep_parts()
    print(f"{'ic':>5} {'bars':>6} {'markets':>8} {'naive 5 %':>10} {'DSR>0.95':>9} {'independent':>12}")
    kinds = [(0.0, 1250, given.markets), *((ic, bars, given.planted) for ic in (0.05, 0.1) for bars in given.bars)]
    for ic, bars, markets in kinds:
        found = cell(parts, ic, bars, markets)
        row = f"{ic:5.2f} {bars:6d} {markets:8d} {found.naive:10.1%} {found.believed:9.1%} {found.n_effective:9.1f}/10"
        print(row, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
