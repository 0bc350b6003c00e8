"""Importance: the feature that carries the pattern is found, by gain and by permutation, for rows and for windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.experiment.importance import _gains, _permuted, collect, explain
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.strategies.xgb import XGBoostStrategy
from barwise.validation.folds import Fold
from tests.strategies.panels import fitted, model_of, panel_of, readable


@pytest.fixture(scope="module")
def planted():
    """A panel whose return hangs on the second of four features alone, and a booster that learned it."""
    made = panel_of((400, 400), 4, seed=2)
    moved = made.X[:, 1] + 0.5 * np.random.default_rng(0).standard_normal(800)
    panel = replace(made, y=np.sign(moved).astype(float), ret=0.01 * moved.astype(float))
    day = np.tile(np.arange(400), 2)
    learn, valid, test = (np.flatnonzero((day >= a) & (day < b)) for a, b in ((0, 250), (250, 330), (330, 400)))
    model = XGBoostStrategy(n_estimators=30).fit(Samples(panel, learn), Samples(panel, valid), FitContext())
    return panel, Fold(0, learn, valid, test), model, lambda other, rows: model.predict(Samples(other, rows))


def test_gain_names_the_feature(planted):
    panel, _, model, _ = planted
    found = _gains(model, panel.features)
    assert sum(found.values()) == pytest.approx(1) and found["f1"] > 0.8 and tuple(found) == panel.features


def test_permutation_names_the_feature_and_leaves_the_panel_as_it_was(planted):
    panel, fold, model, score = planted
    before = panel.X.copy()
    found = _permuted(model, panel, fold, score)
    assert found["f1"] > 0.4 and all(abs(found[name]) < 0.1 for name in ("f0", "f2", "f3"))
    np.testing.assert_array_equal(panel.X, before)
    assert _permuted(model, panel, fold, score) == found, "the same again"


def test_permutation_of_a_net_that_reads_windows():
    panel = panel_of((300, 300), n_features=3)  # y is the sign of the first feature two bars before
    rows = readable(panel, 4)
    model, scaler = fitted(
        model_of("gru", lookback=4, hidden_size=16, epochs=6, patience=6, learning_rate=0.03), panel, rows
    )
    fold = Fold(0, rows[:400], rows[400:], rows[400:])
    found = _permuted(model, panel, fold, lambda other, chosen: model.predict(Samples(other, chosen, scaler)))
    assert found["f0"] > 0.3 > max(abs(found["f1"]), abs(found["f2"]))


def test_too_few_rows_or_no_opinion_is_none(planted):
    panel, fold, model, score = planted
    assert _permuted(model, panel, replace(fold, valid=fold.valid[:20]), score) is None
    assert _permuted(model, panel, fold, lambda other, rows: np.zeros(len(rows))) is None


@pytest.mark.parametrize(
    ("kind", "columns"), [("auto", ["gain"]), ("gain", ["gain"]), ("permutation", ["permutation"])]
)
def test_folds_are_collected_in_one_table(planted, tmp_path: Path, kind, columns):
    panel, fold, model, score = planted
    for number in (0, 10, 2):
        (tmp_path / f"fold-{number}").mkdir()
        explain(kind, model, panel, replace(fold, number=number), score, tmp_path / f"fold-{number}")
    collect(tmp_path, tmp_path / "importance.parquet")
    table = pd.read_parquet(tmp_path / "importance.parquet")
    assert list(table.columns) == ["fold", "feature", "gain", "permutation"] and len(table) == 12
    assert table["fold"].unique().tolist() == [0, 2, 10]
    assert [name for name in ("gain", "permutation") if table[name].notna().all()] == columns


def test_without_any_there_is_no_table(tmp_path: Path):
    collect(tmp_path, tmp_path / "importance.parquet")
    assert not (tmp_path / "importance.parquet").exists()


def test_permutation_where_scores_are_made_neutral_is_that_of_the_model(planted):
    panel, fold, model, score = planted
    with_step = replace(panel, neutral=lambda symbols, symbol, time, given: given)
    assert _permuted(model, with_step, fold, score) == _permuted(model, panel, fold, score)
