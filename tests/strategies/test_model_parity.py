"""Our models beside the same ones trained by their libraries' own calls, on the same folds of the sample's bars."""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm
import numpy as np
import pytest
import torch
import xgboost
from torch import nn

from barwise.console.arguments import compose
from barwise.data import sample
from barwise.experiment.fitting import fit_fold
from barwise.experiment.recipe import parts_of
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.samples import Panel, Samples
from barwise.strategies.batches import Windows, window_rows
from barwise.strategies.rows import scores_of, usable
from barwise.strategies.sequence import SequenceStrategy
from barwise.validation.folds import Fold

ROUNDS, STOP = 40, 10
TREES = ["strategy.n_estimators=40", "strategy.early_stopping_rounds=10"]


@pytest.fixture(scope="module")
def market() -> tuple[Panel, list[Fold]]:
    """Two stocks' daily bars, and folds of a walk-forward."""
    parts = parts_of(compose(["features=[price]", "validation.splitter.n_splits=3"]))
    bars = sample.load(["IBM", "MSFT"], "2006-01-01", "2010-12-31").bars
    panel = build_panel(build(bars, parts.features, 1), parts.labels)
    return panel, parts.validation.folds(panel)[1:]


def ours(market, *words: str) -> Iterator[tuple[Samples, Samples, Samples, np.ndarray]]:
    """Training, validation and test rows of each fold, and our scores of the latter."""
    panel, folds = market
    for fold in folds:
        strategy = parts_of(compose(list(words))).strategy
        model, scaler = fit_fold(panel, fold, strategy, FitSession().context(fold))
        train, valid, test = (Samples(panel, rows) for rows in (fold.train, fold.valid, fold.test))
        yield train, valid, test, scores_of(model, panel, fold.test, scaler)


def difference(probability: np.ndarray) -> np.ndarray:
    """P(up) - P(down)."""
    return probability[:, 2] - probability[:, 0]


def test_xgboost_by_its_own_train_call(market):
    for number, (train, valid, test, score) in enumerate(ours(market, "strategy=xgboost", *TREES)):
        learn, watch = (xgboost.DMatrix(x.X, x.y + 1, weight=x.weight) for x in (train, valid))
        booster = xgboost.train(
            {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "learning_rate": 0.05, "subsample": 0.7,
             "colsample_bytree": 0.7, "min_child_weight": 20, "reg_lambda": 10.0, "tree_method": "hist",
             "seed": seed_of(market, number), "nthread": 1, "eval_metric": "mlogloss"},
            learn, ROUNDS, evals=[(watch, "valid")], early_stopping_rounds=STOP, verbose_eval=False,
        )  # fmt: skip
        best = (0, booster.best_iteration + 1)
        theirs = difference(booster.predict(xgboost.DMatrix(test.X), iteration_range=best).astype(float))
        np.testing.assert_allclose(score, theirs, rtol=0, atol=1e-6)


def test_lightgbm_by_its_own_train_call(market):
    for number, (train, valid, test, score) in enumerate(ours(market, "strategy=lightgbm", *TREES)):
        learn = lightgbm.Dataset(train.X, train.y + 1, weight=train.weight)
        watch = lightgbm.Dataset(valid.X, valid.y + 1, weight=valid.weight, reference=learn)
        booster = lightgbm.train(
            {"objective": "multiclass", "num_class": 3, "num_leaves": 8, "learning_rate": 0.05, "num_threads": 1,
             "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.7, "min_data_in_leaf": 100,
             "lambda_l2": 10.0, "seed": seed_of(market, number), "verbosity": -1, "deterministic": True,
             "force_row_wise": True},
            learn, ROUNDS, [watch], ["valid"], callbacks=[lightgbm.early_stopping(STOP, verbose=False)],
        )  # fmt: skip
        np.testing.assert_allclose(score, difference(booster.predict(test.X)), rtol=0, atol=1e-6)


def seed_of(market, number: int) -> int:
    """The seed that a run lends to the fit of a fold."""
    return FitSession().context(market[1][number]).seed


class Plain(nn.Module):
    """The usual LSTM: stacked layers, the last step, two linear layers, tanh."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, 16, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.0), nn.Linear(32, 1), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1]).squeeze(-1)


def test_an_lstm_in_plain_torch_after_an_epoch(market):
    panel, folds = market
    model = SequenceStrategy(lookback=10, hidden_size=16, dropout=0.0, epochs=1, batch_size=64)
    fold = folds[0]
    context = FitSession().context(fold)
    fitted, scaler = fit_fold(panel, fold, model, context)
    score = scores_of(fitted, panel, fold.test, scaler)

    train = Samples(panel, fold.train[usable(model, panel, fold.train)], scaler)
    train = train.select(window_rows(train, 10, train.time.min()))
    torch.manual_seed(context.seed)
    begun = model._net(model.loss_).state_dict()  # the weights that ours began from
    net = Plain(len(panel.features))
    names = {f"lstm.{name[:-1]}{layer}": f"layers.{layer}.{name}" for layer in (0, 1)
             for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}  # fmt: skip
    net.load_state_dict({name: begun[names.get(name, name)] for name in net.state_dict()})
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.001, weight_decay=0.01)
    windows = Windows(train, np.clip(train.y, -1, 1).astype(np.float32), 10, 64, "cpu", context.seed)
    for index in windows:
        x, target, weight = windows.gather(index)
        optimizer.zero_grad()
        ((weight * (net(x) - target) ** 2).sum() / weight.sum()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    test = Samples(panel, fold.test[panel.finite[fold.test]], scaler)
    found = Windows(test, np.zeros(len(test), np.float32), 10, len(test), "cpu", None)
    with torch.inference_mode():
        theirs = torch.cat([net.eval()(found.x(index)) for index in found]).numpy()
    assert np.abs(theirs).max() > 1e-3
    np.testing.assert_allclose(score[panel.finite[fold.test]], theirs, rtol=0, atol=1e-4)
