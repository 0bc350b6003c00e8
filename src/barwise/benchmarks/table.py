"""The honest table: strategies, feature sets and markets, five seeds each, net of costs, with the verdict.

Markets are the sample, bars that packages of the tests ship, a random walk, and two with a planted pattern. Every trial
on a market counts, as it does in a run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.metrics import net_sharpe, regression
from barwise.console.arguments import Arguments, compose
from barwise.data import sample, synthetic
from barwise.data.bars import Bars
from barwise.data.calendar import periods_per_year
from barwise.evidence.deflated import Moments, sharpe
from barwise.evidence.sentence import Finding, p_words, sentence
from barwise.evidence.sketch import sketch
from barwise.evidence.verdict import Record
from barwise.experiment.groundwork import held_as_labelled
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.runs.measures import shown
from barwise.strategies.association import spearman

_STRATEGIES = {
    "ridge": (), "xgboost": (), "lightgbm": (), "random_forest": ("strategy.estimator.n_estimators=50",),
    "lstm": ("strategy.sequence=stream", "strategy.epochs=3", "strategy.hidden_size=16", "strategy.num_layers=1"),
}  # fmt: skip
_SETS = ("price", "normalized")
_MARK = "<!-- what follows is made by make table -->\n"


@dataclass(frozen=True)
class _Market:
    """Bars by name; `closes`: there is one price a bar, which is traded at the next one."""

    name: str
    load: Callable[[], tuple[Bars, ...]]
    closes: bool = False


def _synthetic(ic: float, pattern: str = "linear") -> Callable[[], tuple[Bars, ...]]:
    return lambda: synthetic.load(n_symbols=5, n_bars=1200, seed=7, ic=ic, pattern=pattern).bars


def _google() -> tuple[Bars, ...]:
    """backtesting.py's daily bars of Google, 2004 to 2013."""
    from backtesting.test import GOOG

    columns = (GOOG[name].to_numpy(float) for name in ("Open", "High", "Low", "Close", "Volume"))
    return (Bars("GOOG", GOOG.index.to_numpy().astype("datetime64[ns]"), *columns),)


def _closes() -> tuple[Bars, ...]:
    """skfolio's closes of eight stocks, the last 1,500 days."""
    from skfolio.datasets import load_sp500_dataset

    frame = load_sp500_dataset().iloc[-1500:, :8]
    when = frame.index.to_numpy().astype("datetime64[ns]")
    prices = {name: frame[name].to_numpy(float) for name in frame.columns}
    return tuple(Bars(name, when, x, x, x, x, np.ones(len(when))) for name, x in prices.items())


_MARKETS = (
    _Market("sample, five stocks", lambda: sample.load(start="2005-01-01").bars),
    _Market("backtesting.py's GOOG", _google),
    _Market("skfolio's closes, eight stocks", _closes, closes=True),
    _Market("random walk", _synthetic(0.0)),
    _Market("planted, linear, 0.1", _synthetic(0.1)),
    _Market("planted, nonlinear, 0.1", _synthetic(0.1, "nonlinear")),
)


@dataclass(frozen=True)
class _Trial:
    """One seed of a strategy on a set of features: what a run's record and verdict are made of."""

    family: str
    time: np.ndarray
    net: np.ndarray
    rank_ic: float
    t_alpha: float | None
    delayed: float | None
    held: float | None

    def entry(self) -> dict[str, Any]:
        """As the ledger of trials has it."""
        moments = Moments.of(self.net)
        return {
            "status": "done", "sharpe": sharpe(self.net), "bars": len(self.net), "net": sketch(self.time, self.net),
            "family": self.family, "z": moments.z,
        }  # fmt: skip


def _trials(market: _Market, seeds: int) -> Iterator[_Trial]:
    """Each strategy on each set, seed by seed; a strategy without chance once."""
    bars, where = market.load(), ["backtest=next_close"] if market.closes else []
    grid = Grid.build(bars)
    per_year = periods_per_year(grid.time)
    for name in _SETS[:1] if market.closes else _SETS:
        first = parts_of(compose([f"features=[{name}]", "validation.splitter.n_splits=4", *where]))
        panel = build_panel(build(bars, first.features, 1), first.labels)
        folds = first.validation.folds(panel)
        backtest = held_as_labelled(first, panel, folds).backtest
        for strategy, more in _STRATEGIES.items():
            made = parts_of(compose([f"strategy={strategy}", *more])).strategy
            for seed in range(seeds if strategy != "ridge" else 1):
                table = walk(panel, folds, made, first.signals, FitSession(seed=seed))
                ledger = backtest.run(grid, table.signals(), per_year)
                held = backtest.run(grid, Signals(table.symbol, table.time, np.ones(len(table.time))), per_year)
                delayed = net_sharpe(backtest.run(grid, table.signals(), per_year, delay=1), per_year)
                known = np.isfinite(table.score) & np.isfinite(table.ret)
                yield _Trial(
                    f"{strategy} | {name}", ledger.time, ledger.net,
                    float(np.nan_to_num(spearman(table.score[known], table.ret[known]))),
                    regression(ledger.net, held.net, per_year)["t_stat"], delayed, net_sharpe(held, per_year),
                )  # fmt: skip


def _rows(market: _Market, seeds: int) -> Iterator[str]:
    """A line for each strategy and set: mean and deviation over seeds, and the verdict on the median one."""
    found = list(_trials(market, seeds))
    per_year = periods_per_year(found[0].time)
    record = Record({str(k): one.entry() for k, one in enumerate(found)})
    for family in dict.fromkeys(one.family for one in found):
        own = sorted((one for one in found if one.family == family), key=lambda one: sharpe(one.net))
        ratios = [sharpe(one.net) * per_year**0.5 for one in own]
        middle = own[(len(own) - 1) // 2]
        p = float(record.judgement(Moments.of(middle.net), family)["p_value"])
        judged = Finding(p, len(found), len(own), middle.t_alpha, middle.delayed)
        spread = f" ± {statistics.stdev(ratios):.2f}" if len(ratios) > 1 else ""
        words = sentence(judged).partition(":")[0].partition(";")[0].removesuffix(".")
        ic = statistics.mean(one.rank_ic for one in own)
        held = shown(middle.held, "{:.2f}")
        yield (
            f"| {market.name} | {family} | {statistics.mean(ratios):.2f}{spread} | {held} | {ic:.3f} |"
            f" {p_words(p)} | {words} |"
        )


def main(words: list[str]) -> None:
    """Print the table, or put it into a page."""
    parser = Arguments("benchmark table", "Strategies, features and markets, net of costs, with the verdict.")
    parser.add_argument("--seeds", type=int, default=5, help="of each strategy that draws (default 5)")
    parser.add_argument("--markets", type=int, nargs="*", default=range(len(_MARKETS)), help="by number (default all)")
    parser.add_argument("--page", type=Path, help="the page whose table this becomes, docs/table.md")
    given = parser.parse_args(words)
    begin = time.process_time()
    lines = [
        "| market | strategy | features | Sharpe, net | buy and hold | rank correlation | p | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for market in (_MARKETS[number] for number in given.markets):
        try:
            lines += _rows(market, given.seeds)
        except ImportError as error:
            lines.append(f"| {market.name} | left out: {error.name} is not installed | | | | | | |")
        print(f"{market.name}: {time.process_time() - begin:.0f} s of CPU", flush=True)
    text = "\n".join(lines)
    if given.page is None:
        print(text)
        return
    head = given.page.read_text(encoding="utf-8").partition(_MARK)[0]
    given.page.write_text(f"{head}{_MARK}\n{text}\n", encoding="utf-8")
    print(f"table: {given.page}")
