"""Trials that differ in plain values are composed once, and each is what Hydra would have composed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from barwise.console.config import conf_dir
from barwise.sweeps.composed import TrialConfigs, sweep_of

WORDS = ("strategy=xgboost", "threads=1", "output_dir=/tmp/x", "sweep.name=s")
SAME = (  # the first of each is composed, the second varied from it
    (["seed=0", "strategy.max_depth=2"], ["seed=1", "strategy.max_depth=5"]),
    (["strategy.objective='rank:ndcg'"], ["strategy.objective=null"]),
    (["strategy.task=regression", "quiet=true"], ["strategy.task=auto", "quiet=false"]),
    (["strategy.reg_lambda=1e-3"], ["strategy.reg_lambda=5"]),
)
APART = (  # composed, each of them
    (["data.symbols=null"], ["data.symbols=[AAPL]"]),
    (["features=price"], ["features=volume"]),
    (["+strategy.gamma=1"], ["+strategy.gamma=2"]),
    (["hydra.sweep.subdir=a"], ["hydra.sweep.subdir=b"]),
)


@pytest.fixture
def composing() -> Iterator[tuple[Any, Any, list[int]]]:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config("config", list(WORDS), RunMode.MULTIRUN)
        sweep_of(config)
        whole, count = hydra.config_loader.load_sweep_config, []

        def counting(*given: Any) -> Any:
            count.append(1)
            return whole(*given)

        hydra.config_loader.load_sweep_config = counting
        yield config, hydra.config_loader, count


@pytest.mark.parametrize(("pair", "composed"), [*((p, 1) for p in SAME), *((p, 2) for p in APART)])
def test_a_trial_is_what_hydra_composes(composing, pair, composed):
    config, loader, count = composing
    trials = TrialConfigs(config, loader)
    found = [trials(n, [*WORDS, *words]) for n, words in enumerate(pair)]
    assert len(count) == composed
    assert found == [TrialConfigs(config, loader)(n, [*WORDS, *words]) for n, words in enumerate(pair)]
