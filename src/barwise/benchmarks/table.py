"""The honest table: strategies, feature sets and markets, five seeds each, net of costs, with the verdict.

Every trial on a market counts, as it does in a run. Trials are kept as they end, with a digest of the code that made
them, so that the table can be made in pieces.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import barwise
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.metrics import net_sharpe, regression
from barwise.benchmarks.measure import FOLDER
from barwise.benchmarks.table_markets import MARKETS, TableMarket
from barwise.console.arguments import Arguments, compose
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
from barwise.runs import jsonlines
from barwise.runs.measures import shown
from barwise.strategies.association import spearman

_STRATEGIES = {
    "ridge": (), "xgboost": (), "lightgbm": (), "random_forest": ("strategy.estimator.n_estimators=50",),
    "lstm": ("strategy.sequence=stream", "strategy.epochs=3", "strategy.hidden_size=16", "strategy.num_layers=1"),
}  # fmt: skip
_SETS = ("price", "normalized")
_ROOMS = ("data", "features", "strategies", "portfolio", "backtest", "validation", "experiment", "*.py")  # of a trial
_MARK = "<!-- what follows is made by make table -->\n"


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

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> _Trial:
        """From a line of the file."""
        found = {name: kept[name] for name in ("family", "rank_ic", "t_alpha", "delayed", "held")}
        return cls(time=np.array(kept["time"], np.int64).view("datetime64[ns]"), net=np.array(kept["net"]), **found)

    def line(self) -> dict[str, Any]:
        """As the file keeps it."""
        found = {name: getattr(self, name) for name in ("family", "rank_ic", "t_alpha", "delayed", "held")}
        return {**found, "time": self.time.astype(np.int64).tolist(), "net": self.net.tolist()}

    def entry(self) -> dict[str, Any]:
        """As the ledger of trials has it."""
        moments = Moments.of(self.net)
        return {
            "status": "done", "sharpe": sharpe(self.net), "bars": len(self.net), "net": sketch(self.time, self.net),
            "family": self.family, "z": moments.z,
        }  # fmt: skip


class _Prepared:
    """A market's panel, folds and book on one set of features."""

    def __init__(self, market: TableMarket, features: str) -> None:
        bars, where = market.load(), ["backtest=next_close"] if market.closes else []
        self.parts = parts_of(compose([f"features=[{features}]", "validation.splitter.n_splits=4", *where]))
        self.grid = Grid.build(bars)
        self.per_year = periods_per_year(self.grid.time)
        self.panel = build_panel(build(bars, self.parts.features, 1), self.parts.labels)
        self.folds = self.parts.validation.folds(self.panel)
        self.backtest = held_as_labelled(self.parts, self.panel, self.folds).backtest

    def trial(self, family: str, strategy: str, seed: int) -> _Trial:
        """Trained anew in each fold, and traded."""
        made = parts_of(compose([f"strategy={strategy}", *_STRATEGIES[strategy]])).strategy
        table = walk(self.panel, self.folds, made, self.parts.signals, FitSession(seed=seed))
        run, grid, per_year = self.backtest.run, self.grid, self.per_year
        ledger = run(grid, table.signals(), per_year)
        held = run(grid, Signals(table.symbol, table.time, np.ones(len(table.time))), per_year)
        known = np.isfinite(table.score) & np.isfinite(table.ret)
        return _Trial(
            family, ledger.time, ledger.net, float(np.nan_to_num(spearman(table.score[known], table.ret[known]))),
            regression(ledger.net, held.net, per_year)["t_stat"],
            net_sharpe(run(grid, table.signals(), per_year, delay=1), per_year), net_sharpe(held, per_year),
        )  # fmt: skip


def _wanted(markets: list[TableMarket], seeds: int) -> Iterator[tuple[TableMarket, str, str, int]]:
    """Market, features, strategy and seed of each trial, a seed of all before the next; without chance one is all."""
    for seed in range(seeds):
        for market in markets:
            for features in _SETS[:1] if market.closes else _SETS:
                for strategy in _STRATEGIES:
                    if seed == 0 or strategy != "ridge":
                        yield market, features, strategy, seed


def _made(markets: list[TableMarket], seeds: int, path: Path, budget: float) -> dict[str, list[_Trial]]:
    """The trials of each market: kept ones, and others as long as the CPU seconds of the budget last."""
    code, begin, left = _code(), time.process_time(), 0
    kept = {
        one["key"]: one for one in jsonlines.read(path, lambda one: one["code"] == code and _Trial.of(one) is not None)
    }
    found: dict[str, list[_Trial]] = {}
    prepared = cache(_Prepared)
    for market, features, strategy, seed in _wanted(markets, seeds):
        key, trials = f"{market.name} | {features} | {strategy} | {seed}", found.setdefault(market.name, [])
        if key in kept:
            trials.append(_Trial.of(kept[key]))
        elif time.process_time() - begin > budget:
            left += 1
        else:
            try:
                trials.append(prepared(market, features).trial(f"{strategy} | {features}", strategy, seed))
            except ImportError as error:
                print(f"{market.name} is left out: {error.name} is not installed", flush=True)
                continue
            jsonlines.append(path, {"key": key, "code": code, **trials[-1].line()})
            print(f"{key}: {time.process_time() - begin:.0f} s of CPU", flush=True)
    if left:
        print(f"{left} trials are left; the same command goes on with them")
    return found


def _code() -> str:
    """A digest of the code that a trial runs: trials of other code are not taken up."""
    root, digest = Path(barwise.__file__).parent, hashlib.sha256()
    for room in _ROOMS:
        for path in sorted(root.glob(room if room.endswith(".py") else f"{room}/**/*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _rows(market: str, found: list[_Trial]) -> Iterator[str]:
    """A line for each strategy and set: mean and deviation over seeds, and the verdict on the median one."""
    per_year = periods_per_year(found[0].time)
    idle = {one.family for one in found if not one.net.any()}
    found = [one for one in found if one.net.any()]
    record = Record({str(k): one.entry() for k, one in enumerate(found)})
    yield from (f"| {market} | {family} | | | | | | a seed of it never traded |" for family in sorted(idle))
    for family in dict.fromkeys(one.family for one in found if one.family not in idle):
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
            f"| {market} | {family} | {len(own)} | {statistics.mean(ratios):.2f}{spread} | {held} | {ic:.3f} |"
            f" {p_words(p)} | {words} |"
        )


def main(words: list[str]) -> None:
    """Print the table, or put it into a page."""
    parser = Arguments("benchmark table", "Strategies, features and markets, net of costs, with the verdict.")
    parser.add_argument("--seeds", type=int, default=5, help="of each strategy that draws (default 5)")
    parser.add_argument("--markets", type=int, nargs="*", default=range(len(MARKETS)), help="by number (default all)")
    parser.add_argument("--budget", type=float, default=1e9, help="CPU seconds after which no trial begins")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where trials are kept, to go on from")
    parser.add_argument("--page", type=Path, help="the page whose table this becomes, docs/table.md")
    given = parser.parse_args(words)
    found = _made(
        [MARKETS[number] for number in given.markets], given.seeds, given.folder / "table.jsonl", given.budget
    )
    lines = [
        "| market | strategy | features | seeds | Sharpe, net | buy and hold | rank correlation | p | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [row for market, trials in found.items() if trials for row in _rows(market, trials)]
    text = "\n".join(lines)
    if given.page is None:
        print(text)
        return
    head = given.page.read_text(encoding="utf-8").partition(_MARK)[0]
    given.page.write_text(f"{head}{_MARK}\n{text}\n", encoding="utf-8")
    print(f"table: {given.page}")
