"""Losses, pieces of a batch, ensembles, and training that goes on after a loss of NaN or without memory."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from barwise.errors import ConfigError, TrainingError
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.strategies.sequence import SequenceStrategy
from tests.strategies.panels import MODES, NETS, fitted, model_of, panel_of, readable

PANEL = panel_of((60, 45), gaps=(20, 80))
ROWS = readable(PANEL, 6)
BOTH = pytest.mark.parametrize("mode", MODES)


@BOTH
def test_smaller_pieces_of_a_batch_train_the_same_net(mode):
    whole, _ = fitted(model_of(mode=mode, batch_size=32), PANEL, ROWS)
    pieces, _ = fitted(model_of(mode=mode, batch_size=32, accumulate=4), PANEL, ROWS)
    for a, b in zip(whole.nets_[0].parameters(), pieces.nets_[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "huber", "sharpe"])
@BOTH
def test_each_loss_learns_and_scores_within_bounds(loss, mode):
    panel = panel_of((300, 300), n_features=2)
    rows = readable(panel, 4)
    model = model_of("gru", mode, lookback=4, hidden_size=16, epochs=6, patience=6, learning_rate=0.03, loss=loss)
    model, scaler = fitted(model, panel, rows)
    score = model.predict(Samples(panel, rows, scaler))
    assert np.abs(score).max() <= 1.0 and np.corrcoef(score, panel.y[rows])[0, 1] > 0.5


def test_cross_entropy_needs_classes():
    panel = replace(PANEL, y=PANEL.y * 0.3)
    with pytest.raises(ConfigError, match=r"^strategy\.loss=cross_entropy: these labels are not"):
        fitted(model_of(loss="cross_entropy"), panel, ROWS)


def test_an_ensemble_is_the_mean_of_its_nets():
    model, scaler = fitted(model_of(n_seeds=3), PANEL, ROWS)
    samples = Samples(PANEL, ROWS, scaler)
    members = model.members(samples)
    assert len(members) == 3 and not np.allclose(members[0], members[1])
    np.testing.assert_allclose(model.predict(samples), members.mean(axis=0))
    alone, _ = fitted(model_of(), PANEL, ROWS)
    assert np.array_equal(alone.predict(samples), members[0])


class Poisoned(NETS["lstm"]):
    """Its output is NaN at one training step; `countdown` counts over all nets."""

    countdown: ClassVar[list[int]] = []

    def forward(self, x):
        out = super().forward(x)
        if self.training and self.countdown:
            self.countdown[0] -= 1
            if self.countdown[0] == 0:
                self.countdown.pop(0)
                return out * float("nan")
        return out


@pytest.mark.parametrize(
    ("nans", "retry", "ends"), [([2], True, "well"), ([2, 3], True, "badly"), ([2], False, "badly")]
)
def test_a_loss_that_is_no_number_stops_the_fold_and_is_tried_once_more(nans, retry, ends, tmp_path):
    Poisoned.countdown = list(nans)
    alerts: list[tuple[str, str]] = []
    context = FitContext(seed=1, folder=tmp_path, alert=lambda kind, text: alerts.append((kind, text)))
    model = SequenceStrategy(6, 8, net=Poisoned, epochs=1, batch_size=16, retry_nan=retry)
    if ends == "badly":
        with pytest.raises(TrainingError, match="the loss is no longer a number: loss nan, epoch 1, step"):
            fitted(model, PANEL, ROWS, context)
    else:
        fitted(model, PANEL, ROWS, context)
        assert "a tenth of the learning rate, 0.0001" in context.facts["retried"]
    text = alerts[0][1]
    assert alerts[0][0] == "nan" and "step 1, symbols ['S0" in text and "largest_feature" in text and "rows 16" in text


def test_out_of_memory_goes_on_with_smaller_pieces_and_the_same_net(tmp_path):
    class Narrow(NETS["lstm"]):
        def forward(self, x):
            if self.training and len(x) > 16:
                raise torch.OutOfMemoryError("out of memory: 9 GB asked for")
            return super().forward(x)

    plain, _ = fitted(model_of(batch_size=64, epochs=2), PANEL, ROWS)
    alerts: list[tuple[str, str]] = []
    context = FitContext(seed=1, folder=tmp_path, alert=lambda kind, text: alerts.append((kind, text)))
    settings_ = {"lookback": 6, "hidden_size": 8, "epochs": 2, "batch_size": 64, "dropout": 0.0}
    narrow, _ = fitted(SequenceStrategy(net=Narrow, **settings_), PANEL, ROWS, context)
    assert [kind for kind, _ in alerts] == ["fallback", "fallback"] and context.facts["micro_batch"] == 16
    for a, b in zip(plain.nets_[0].parameters(), narrow.nets_[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("net", NETS)
def test_half_precision_trains_or_says_that_this_processor_cannot(net):
    alerts: list[tuple[str, str]] = []
    context = FitContext(seed=1, alert=lambda kind, text: alerts.append((kind, text)))
    model, scaler = fitted(model_of(net, precision="bf16-mixed"), PANEL, ROWS, context)
    assert np.isfinite(model.predict(Samples(PANEL, ROWS, scaler))).all()
    assert all(kind == "fallback" and "goes on at precision 32" in text for kind, text in alerts)


RATES = {
    "constant": [1.0, 1.0, 1.0, 1.0],
    "cosine": [1.0, 0.853553, 0.5, 0.146447],
    "plateau": [1.0, 1.0, 0.5, 0.25],  # the first epoch is the best, as nothing is learned after it
}


@pytest.mark.parametrize("scheduler", RATES)
def test_schedulers_set_the_learning_rate_of_each_epoch(scheduler):
    rates: list[float] = []
    context = FitContext(seed=1, log=lambda name, value, epoch: name == "learning_rate" and rates.append(value))
    fitted(model_of(scheduler=scheduler, epochs=4, patience=4, learning_rate=1e-30), PANEL, ROWS, context)
    np.testing.assert_allclose(np.array(rates) / 1e-30, RATES[scheduler], rtol=1e-4)


MISTAKES = {
    "lookback": (
        0,
        "strategy.lookback=0: must be a whole number of 1 or more, 10000 at most; the shipped default is 30",
    ),
    "dropout": (1.0, "strategy.dropout=1.0: must be a number from 0, below 1"),
    "sequence": ("both", "strategy.sequence=both: must be one of window, stream"),
    "loss": ("luck", "strategy.loss=luck: must be one of mse, cross_entropy, huber, sharpe, ic, listwise"),
    "scheduler": ("fast", "strategy.scheduler=fast: must be one of constant, cosine, plateau"),
    "precision": (16, "strategy.precision=16: must be one of 32, bf16-mixed"),
    "learning_rate": (0, "strategy.learning_rate=0: must be a number above 0"),
    "epoch": (3, "strategy.epoch: there is no such key; did you mean epochs?"),
    "retry_nan": ("yes", "strategy.retry_nan=yes: must be true or false"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_setting_is_one_line(name):
    value, line = MISTAKES[name]
    with pytest.raises(ConfigError) as error:
        SequenceStrategy(**{name: value})
    assert str(error.value).startswith(line)


def test_callbacks_and_loggers_of_ones_own_hear_each_fit_by_themselves(tmp_path):
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import CSVLogger

    ended = []

    class Counts(Callback):
        def __init__(self):
            self.epochs = 0

        def on_train_epoch_end(self, trainer, pl_module):
            self.epochs += 1
            ended.append(self.epochs)

    panel = panel_of((120,), 3, seed=1)
    train, valid = Samples(panel, np.arange(80)), Samples(panel, np.arange(80, 118))
    made = SequenceStrategy(
        lookback=3, hidden_size=4, num_layers=1, epochs=2, patience=9, callbacks=[Counts(), CSVLogger(tmp_path)]
    )
    made.fit(train, valid, FitContext())
    made.fit(train, valid, FitContext())
    assert ended == [1, 2, 1, 2]  # a copy for each fit
    assert "valid_loss" in next(tmp_path.rglob("metrics.csv")).read_text()
    with pytest.raises(ConfigError, match=r"strategy\.callbacks=int: must be callbacks or loggers"):
        SequenceStrategy(callbacks=[3])


def test_the_validation_loss_is_looked_at_after_every_epoch_however_many_batches_it_has():
    told: list[tuple[str, int]] = []
    context = FitContext(seed=1, log=lambda name, value, epoch: told.append((name, epoch)))
    model, _ = fitted(model_of(mode="stream", epochs=4, patience=4, batch_size=8), PANEL, ROWS, context)
    batches = model._batches(Samples(PANEL, ROWS), ROWS * 0 + PANEL.start[ROWS], "cpu", 1)
    lengths = set()
    for batches.epoch in range(4):
        lengths.add(len(batches))
    assert len(lengths) > 1  # the epochs differ
    assert [epoch for name, epoch in told if name == "valid_loss"] == [0, 1, 2, 3]


def test_a_training_that_was_cut_off_goes_on_from_its_last_epoch(tmp_path):
    class Cut(Exception):
        pass

    def cut(loss: float, epoch: int) -> None:
        if epoch == 1:
            raise Cut

    context = FitContext(seed=1, folder=tmp_path)
    whole, _ = fitted(model_of(dropout=0.3, epochs=3), PANEL, ROWS, FitContext(seed=1))
    with pytest.raises(Cut):
        fitted(model_of(dropout=0.3, epochs=3), PANEL, ROWS, replace(context, report=cut))
    assert (tmp_path / "last-0.ckpt").exists()
    resumed, _ = fitted(model_of(dropout=0.3, epochs=3), PANEL, ROWS, context)
    for a, b in zip(whole.nets_[0].parameters(), resumed.nets_[0].parameters(), strict=True):
        assert torch.equal(a, b)
