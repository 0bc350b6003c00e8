"""A loss of one's own: a function and a line of YAML; what no net could learn from is told before a run begins."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from barwise.console.arguments import compose
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.samples import Samples
from barwise.strategies.losses import loss_of
from barwise.strategies.sequence import SequenceStrategy
from tests.serving.conftest import files, market, trained
from tests.strategies.panels import MODES, fitted, model_of, panel_of, readable

__all__ = ["files", "market", "trained"]
HERE = "tests.strategies.test_own_loss"
LOSS = f"strategy.loss={{_target_: {HERE}.quantile, _partial_: true, share: 0.5}}"


def quantile(out, target, share=0.9):
    """Pinball loss: the output that a share of targets lies below."""
    error = target - out
    return torch.maximum(share * error, (share - 1) * error)


def squares(out, target):
    return (out - target) ** 2


@pytest.mark.parametrize("mode", MODES)
def test_a_net_learns_what_its_loss_asks_for(mode, tmp_path):
    panel = panel_of((300, 300), n_features=2)
    rows = readable(panel, 4)
    spread = replace(panel, y=0.3 * np.random.default_rng(0).standard_normal(len(panel)))
    more = {"lookback": 4, "epochs": 8, "patience": 8, "learning_rate": 0.03, "batch_size": 32}
    scores = {}
    for share in (0.1, 0.9):
        model, scaler = fitted(model_of("mlp", mode, loss=partial(quantile, share=share), **more), spread, rows)
        scores[share] = model.predict(Samples(spread, rows, scaler))
        model.save(tmp_path / str(share))
        again = SequenceStrategy.load(tmp_path / str(share))
        np.testing.assert_array_equal(again.predict(Samples(spread, rows, scaler)), scores[share])
    assert np.median(scores[0.1]) < -0.2 and np.median(scores[0.9]) > 0.2
    kept = json.loads((tmp_path / "0.9" / "strategy.json").read_text())
    assert kept["training"]["loss"] == f"{HERE}.quantile"


def test_the_same_function_gives_the_net_of_the_shipped_loss():
    panel = panel_of((60, 45), gaps=(20, 80))
    rows = readable(panel, 6)
    one, scaler = fitted(model_of(loss="mse"), panel, rows)
    two, _ = fitted(model_of(loss=squares), panel, rows)
    np.testing.assert_array_equal(one.predict(Samples(panel, rows, scaler)), two.predict(Samples(panel, rows, scaler)))


def mean(out, target):
    return ((out - target) ** 2).mean()


def within(out, target):
    return (out - out.mean() - target) ** 2


def deaf(out, target):
    return target**2


def flat(out, target):
    return (out > target).float() + 0.0 * out


def endless(out, target):
    return (out - target).log()


def broken(out, target):
    return out.no_such_thing()


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (mean, "must give one finite number a row"), (within, "a row's loss changes with the rows beside it"),
        (deaf, "does not depend on the output"), (flat, "its slope is zero"), (endless, "one finite number a row"),
        (broken, "was tried on \\(out, target\\) and failed"), ("quantil", "must be one of mse, cross_entropy"),
        (7, "must be one of"),
    ],
)  # fmt: skip
def test_what_no_net_can_learn_from_is_told_in_one_line(function, line):
    with pytest.raises(ConfigError, match=f"^strategy.loss=.*{line}") as raised:
        loss_of(function)
    assert "\n" not in str(raised.value)


def test_a_run_by_yaml_is_filed_and_its_models_load_without_the_function(trained):
    words = ["strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=4", "strategy.lookback=3", LOSS]
    assert parts_of(compose(words)).strategy.training.loss.keywords == {"share": 0.5}
    fold = next(trained(*words).glob("model/fold-*"))
    assert SequenceStrategy.load(fold).training.loss == "mse"
