"""A history too short for its features is told as what it is, and what is named instead works."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from barwise.data import synthetic
from barwise.errors import DataError
from barwise.experiment.history import folds_of
from barwise.experiment.recipe import _shipped_sets
from barwise.features.prepare import prepared
from barwise.labels import next_return_sign
from barwise.panel import build_panel
from barwise.validation.folds import Validation
from barwise.validation.splits import WalkForward


def folds(name: str, n_bars: int = 200, min_train: int = 100):
    market = synthetic.load(n_symbols=1, n_bars=n_bars)
    matrix, _ = prepared(market, "x", {name: _shipped_sets()[name]}, 1, None)
    panel = build_panel(matrix, partial(next_return_sign), None)
    return folds_of(Validation(WalkForward(), min_train=min_train), panel, matrix.bars, _shipped_sets)


def test_the_warm_up_is_told_and_the_sets_that_are_named_do():
    with pytest.raises(DataError, match="199 of 200 bars are warm-up of the features, and 1 are left") as told:
        folds("normalized")
    named = re.findall(r"features=(\w+) \((\d+)\)", str(told.value))
    assert {"volume", "technical"} <= {name for name, _ in named} and "min_train=20" in str(told.value)
    for name, bars in named:
        assert len(folds(name, min_train=20)) == 5 and int(bars) < 100


def test_other_faults_of_folds_are_told_as_they_are():
    with pytest.raises(Exception, match=r"validation\.min_train=") as told:
        folds("volume")
    assert "warm-up" not in str(told.value)
    fewer = int(re.findall(r"validation.min_train=(\d+)", str(told.value))[0])
    assert len(folds("volume", min_train=fewer)) == 5
    assert np.all([len(f.train) >= fewer for f in folds("volume", min_train=fewer)])
