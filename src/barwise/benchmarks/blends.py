"""Blends beside their members on markets with a planted pattern: the median member, and the best.

Each learns on the first six tenths of a market of eight symbols and is judged by the rank correlation of its scores
with tradable returns on the rest.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping

import numpy as np

from barwise.console.arguments import Arguments, compose
from barwise.data import synthetic
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.strategies.association import spearman
from barwise.strategies.base import Strategy
from barwise.strategies.blend import WEIGHTS

_MEMBERS = ("xgboost", "lightgbm", "ridge")  # of conf/strategy/blend.yaml
_SPLIT = ("validation=holdout", "validation.splitter.test_fraction=0.4")
_PATTERNS = ("linear", "nonlinear")


def _contestants() -> dict[str, Strategy]:
    """The members, one seed each, and a blend of them by each way of weighing."""
    found = {name: parts_of(compose([f"strategy={name}"])).strategy for name in _MEMBERS}
    for weights in WEIGHTS:
        found[f"blend, {weights}"] = parts_of(compose(["strategy=blend", f"strategy.weights={weights}"])).strategy
    return found


def _worth(
    strategies: Mapping[str, Strategy], seed: int, ic: float, pattern: str, size: tuple[int, int]
) -> dict[str, float]:
    """The rank correlation of each on one market, out of sample."""
    parts = parts_of(compose([*_SPLIT, "strategy=ridge"]))
    market = synthetic.load(n_symbols=size[0], n_bars=size[1], seed=seed, ic=ic, pattern=pattern)
    panel = build_panel(build(market.bars, parts.features, 1), parts.labels)
    folds, found = parts.validation.folds(panel), {}
    for name, strategy in strategies.items():
        table = walk(panel, folds, copy.deepcopy(strategy), parts.signals, FitSession(seed=seed))
        known = np.isfinite(table.score) & np.isfinite(table.ret)
        found[name] = float(np.nan_to_num(spearman(table.score[known], table.ret[known])))
    return found


def _rows(pattern: str, found: list[dict[str, float]]) -> Iterator[str]:
    """A line for each strategy: its mean, and in how many markets it is as good as the median and the best member."""
    members = np.array([[one[name] for name in _MEMBERS] for one in found])
    median, best = np.median(members, axis=1), members.max(axis=1)
    for name in found[0]:
        own = np.array([one[name] for one in found])
        apart = own - best
        yield (
            f"{pattern:<10} {name:<13} {own.mean():10.4f} {np.sum(own >= median):9d} of {len(own)}"
            f" {np.sum(own >= best):9d} of {len(own)} {apart.mean():+10.4f} {apart.min():+10.4f}"
        )


def main(words: list[str]) -> None:
    """Print how blends and their members do on each kind of market."""
    parser = Arguments("benchmark blends", "Blends beside their members on planted markets.")
    parser.add_argument("--markets", type=int, default=10, help="of each pattern (default 10)")
    parser.add_argument("--symbols", type=int, default=8, help="of a market (default 8)")
    parser.add_argument("--bars", type=int, default=1500, help="of a symbol (default 1500)")
    parser.add_argument("--ic", type=float, default=0.1, help="of the planted pattern (default 0.1)")
    given = parser.parse_args(words)
    begin = time.perf_counter()
    strategies = _contestants()
    print(f"{'pattern':<10} {'strategy':<13} {'rank corr.':>10} {'>= median':>15} {'>= best':>15} {'to best':>10}"
          f" {'at worst':>10}")  # fmt: skip
    for pattern in _PATTERNS:
        size = (given.symbols, given.bars)
        found = [_worth(strategies, seed, given.ic, pattern, size) for seed in range(given.markets)]
        for line in _rows(pattern, found):
            print(line, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
