"""Learning to rank: grades and stopping within bars, and an order that is found though wild bars drown it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from barwise.errors import ConfigError
from barwise.samples import Panel, Samples
from barwise.strategies.base import FitContext
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.ranking import _GRADES, Queries, _loss, _shares
from barwise.strategies.xgb import XGBoostStrategy
from tests.strategies.panels import panel_of

SYMBOLS, BARS = 30, 240
RANKERS = [
    (LightGBMStrategy, "lambdarank", {"min_data_in_leaf": 50}),
    (XGBoostStrategy, "rank:ndcg", {}),
    (XGBoostStrategy, "rank:pairwise", {}),
]


@pytest.fixture(scope="module")
def panel() -> Panel:
    """What the first feature says of a symbol is the same on all bars, but wild ones drown it."""
    made = panel_of((BARS,) * SYMBOLS, 4, seed=1)
    random = np.random.default_rng(2)
    wild = np.tile(np.where(np.arange(BARS) % 12 == 0, 40.0, 1.0), SYMBOLS)
    market = np.tile(random.normal(0, 3.0, BARS), SYMBOLS)
    y = 0.01 * (market + wild * (0.4 * made.X[:, 0] + random.standard_normal(len(made.X))))
    return replace(made, y=y, ret=y)


def split(panel: Panel) -> tuple[Samples, Samples, Samples]:
    day = np.tile(np.arange(BARS), SYMBOLS)
    a, b, c = (np.flatnonzero((day >= lo) & (day < hi)) for lo, hi in ((0, 140), (140, 180), (180, BARS)))
    return Samples(panel, a), Samples(panel, b), Samples(panel, c)


def rank_ic(score: np.ndarray, samples: Samples) -> float:
    bars = np.unique(samples.time)
    found = [spearmanr(score[samples.time == t], samples.ret[samples.time == t])[0] for t in bars]
    return float(np.mean(found))


def test_shares_and_loss_are_the_plain_ones():
    random = np.random.default_rng(0)
    bar = np.repeat([0, 1, 2, 3], [5, 1, 4, 7])
    values = random.integers(0, 4, len(bar)).astype(float)
    found, predicted = _shares(values, bar), random.normal(size=len(bar))
    kept = []
    for k, size in enumerate((5, 1, 4, 7)):
        own = bar == k
        wanted = (rankdata(values[own]) - 1) / (size - 1) if size > 1 else [0.5]
        np.testing.assert_allclose(found[own], wanted)
        if size > 1:
            kept.append(np.corrcoef(predicted[own], values[own])[0, 1])
    assert _loss(predicted, values, np.array([5, 1, 4, 7])) == pytest.approx(1 - np.mean(kept))


def test_queries_are_bars_in_the_order_of_time(panel: Panel):
    train, _, _ = split(panel)
    queries = Queries.of(train)
    assert (queries.sizes == SYMBOLS).all() and (np.diff(queries.samples.time) >= np.timedelta64(0)).all()
    first = queries.grades[:SYMBOLS]
    assert sorted(first) == sorted(np.rint(_GRADES * np.arange(SYMBOLS) / (SYMBOLS - 1)))
    assert first.argmax() == queries.samples.y[:SYMBOLS].argmax()


@pytest.mark.parametrize(("kind", "objective", "more"), RANKERS)
def test_a_ranker_finds_the_order_within_bars(kind: Any, objective: str, more: dict, panel: Panel, tmp_path: Path):
    train, valid, test = split(panel)
    model = kind(n_estimators=40, learning_rate=0.1, objective=objective, **more).fit(train, valid, FitContext(seed=1))
    score = model.predict(test)
    truth = rank_ic(panel.X[test.rows, 0], test)
    assert rank_ic(score, test) > 0.9 * truth > 0.25
    assert np.abs(score).max() <= 1 and abs(np.median(score)) < 0.3
    model.save(tmp_path)
    np.testing.assert_allclose(type(model).load(tmp_path).predict(test), score, atol=1e-7)


@pytest.mark.parametrize("kind", [LightGBMStrategy, XGBoostStrategy])
def test_objectives_that_would_do_nothing_are_refused(kind: Any):
    with pytest.raises(ConfigError, match=r"strategy\.objective=binary: must be"):
        kind(objective="binary")
    mine = "lambdarank" if kind is LightGBMStrategy else "rank:ndcg"
    with pytest.raises(ConfigError, match=r"strategy\.task=classify: strategy\.objective=.* leave it at auto"):
        kind(objective=mine, task="classify")
