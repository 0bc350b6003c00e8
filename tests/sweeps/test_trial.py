"""A trial's configuration, made from that of the first one of its sweep."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from barwise.console.config import conf_dir
from barwise.sweeps.composed import TrialConfigs
from barwise.sweeps.trial import Composed

WORDS = ["experiment=smoke", "strategy=xgboost", "sweep.name=s"]


@pytest.fixture
def compose(tmp_path: Path):
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        words = [*WORDS, f"output_dir={tmp_path}"]
        trials = TrialConfigs(hydra.compose_config("config", words, RunMode.MULTIRUN), hydra.config_loader)
        yield lambda number, *more: trials(number, [*words, *more])


def same(one: Any, other: Any) -> bool:
    return OmegaConf.to_yaml(one) == OmegaConf.to_yaml(other) and type(one.hydra) is type(other.hydra)


@pytest.mark.parametrize(
    "more",
    [
        ("seed=7", "strategy.max_depth=2"), ("strategy.learning_rate=1",), ("quiet=1",), ("labels=triple_barrier",),
        ("strategy=ridge",), ("+strategy.max_bin=64",), ("objective=[sharpe,calmar]",), ("features=[price,volume]",),
        ("~cache",),
    ],
)  # fmt: skip
def test_it_is_what_it_would_be_by_itself(compose, more: tuple[str, ...]):
    first, other = compose(0, "seed=1"), compose(1, *more)
    alone = Composed.of(copy.deepcopy(other)).config
    varied = Composed.of(first).varied(other)
    assert same(varied, alone)
    assert not same(alone, Composed.of(first).config)
    assert OmegaConf.is_struct(varied) == OmegaConf.is_struct(alone)


def test_one_that_only_equals_another_is_another(compose):
    whole, part = compose(0, "strategy.learning_rate=1"), compose(1, "strategy.learning_rate=1.0")
    varied = Composed.of(whole).varied(part)
    assert isinstance(varied.strategy.learning_rate, float) and varied.hydra.job.num == 1
