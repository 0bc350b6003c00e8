"""What is planted within sectors alone is found by those who look there: the universe in small, and whole if slow."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from barwise.backtest.ledger import Backtest
from barwise.backtest.metrics import net_sharpe
from barwise.experiment.results import OutOfSample
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import deciles
from tests.universe import Made, grid_of, made, rank_ics, scored

MLP = (
    "strategy=lstm", "strategy/net=mlp", "strategy.lookback=1", "strategy.hidden_size=16", "strategy.num_layers=1",
    "strategy.dropout=0", "strategy.epochs=2", "strategy.learning_rate=0.01", "strategy.batch_size=1000",
)  # fmt: skip
LEARNERS = {
    "cross_rank": ("strategy=ridge", "labels=cross_rank"),
    "ic": (*MLP, "strategy.loss=ic", "labels=cross_rank"),
    "listwise": (*MLP, "strategy.loss=listwise", "labels=cross_rank"),
    "lambdarank": ("strategy=lightgbm", "strategy.objective=lambdarank", "labels=cross_rank",
                   "strategy.n_estimators=60", "strategy.learning_rate=0.2"),
}  # fmt: skip
SMALL = (120, 700, 6)


@cache
def universe(symbols: int, bars: int, sectors: int) -> Made:
    return made(symbols, bars, sectors, ic=0.1 if symbols < 500 else 0.06)


def sharpe(given: Made, table: OutOfSample, hold: int) -> float:
    """The net Sharpe ratio of the highest fifth long and the lowest short, held in so many tranches."""
    book = Backtest(portfolio=Portfolio(partial(deciles, quantiles=5), hold))
    return net_sharpe(book.run(grid_of(given), table.signals(), 252), 252) or 0.0


def sectors_hide_it(size: tuple[int, int, int]) -> None:
    given, words = universe(*size), ("strategy=ridge", "labels=excess_return", "labels.group=sector")
    raw = scored(given, *words, raw=True)
    neutral = scored(given, *words, raw=True, neutral=["sector"])
    (lost, planted), (found, _) = rank_ics(given, raw), rank_ics(given, neutral)
    assert lost < 0.5 * planted and found > 0.9 * planted
    assert sharpe(given, neutral, 5) > 2 * sharpe(given, raw, 5)


def test_sectors_hide_a_signal_that_neutral_scores_find():
    sectors_hide_it(SMALL)


def test_the_universe_is_as_it_says():
    given = universe(*SMALL)
    bars, grid = given.market.bars, grid_of(given)
    assert len(grid.gone) == 5 and len(given.market.universe.stays) == 120
    assert 0.001 < 1 - grid.has[:300].mean() < 0.03 and not grid.inside.all()
    assert set(grid.groups) == {"sector"} and set(bars[0].extra) == {"momentum", "book"}


@pytest.mark.parametrize("learner", ["cross_rank", "ic"])
def test_learners_reach_the_planted_correlation(learner):
    reaches(learner, SMALL)


def reaches(learner: str, size: tuple[int, int, int]) -> None:
    given = universe(*size)
    found, planted = rank_ics(given, scored(given, *LEARNERS[learner]))
    assert found > 0.9 * planted > 0.05


def test_a_label_of_five_bars_is_better_held_for_five():
    given = universe(*SMALL)
    table = scored(given, "strategy=ridge", "labels=excess_return")
    assert sharpe(given, table, 5) > sharpe(given, table, 1) > 0


@pytest.mark.slow
def test_the_whole_universe():
    size = (500, 2500, 11)
    sectors_hide_it(size)
    for learner in LEARNERS:
        reaches(learner, size)
    given = universe(*size)
    table = scored(given, "strategy=ridge", "labels=excess_return")
    assert sharpe(given, table, 5) > sharpe(given, table, 1)
    for portfolio in (Portfolio(hold=5, net=0, max_weight=0.01, max_group=0.15, group="sector"),
                      Portfolio(partial(deciles, quantiles=10), 5, max_turnover=0.2, max_positions=80)):  # fmt: skip
        rules = Backtest(portfolio=portfolio, keep_positions=True)
        whole = replace(table, signal=np.sign(table.score)).signals()  # of full size, so that the limits bind
        decided = rules.run(grid_of(given), whole, 252).held.decided
        keeps_limits(portfolio, decided, grid_of(given).groups["sector"])


def keeps_limits(portfolio: Portfolio, decided: np.ndarray, sectors: np.ndarray) -> None:
    """Every limit on every bar, to 1e-9."""
    size, sector = np.abs(decided), sectors[-1]
    assert size.sum(axis=1).max() <= 1 + 1e-9 and size.sum() > 100
    assert portfolio.net is None or np.abs(decided.sum(axis=1)).max() <= portfolio.net + 1e-9
    assert portfolio.max_weight is None or size.max() <= portfolio.max_weight + 1e-9
    assert portfolio.max_positions is None or np.count_nonzero(size, axis=1).max() <= portfolio.max_positions
    for code in np.unique(sector):
        held = size[:, sector == code].sum(axis=1).max()
        assert portfolio.max_group is None or held <= portfolio.max_group + 1e-9
