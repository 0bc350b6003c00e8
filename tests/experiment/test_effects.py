"""A setting that has no effect because of another one is refused before a bar is read; each remedy works as printed."""

from __future__ import annotations

import copy
import re
import shutil
from functools import cache

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from barwise.console.arguments import compose
from barwise.console.config import yaml_of
from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment import effects
from barwise.experiment.configuration import plain
from barwise.experiment.effect_rules import ONLY, TRAINED
from barwise.experiment.effects import check_effects, check_merged, check_single, check_study, check_sweep
from barwise.experiment.recipe import parts_of
from tests.conftest import ROOT, train

CASES = [  # what is set, what it is set beside, and what the line says
    ("strategy.chunk=32", ["strategy=lstm"], "with strategy.sequence=window; set strategy.sequence=stream, or"),
    ("baseline.chunk=32", ["strategy@baseline=lstm"], "with baseline.sequence=window; set baseline.sequence=stream,"),
    ("strategy.folds=3", ["strategy=blend"], "with strategy.weights=ic; set strategy.weights=ridge, or leave it at"),
    ("strategy.alpha=2", ["strategy=blend", "strategy.weights=ic"], "with strategy.weights=ic; set strategy.weights="),
    ("strategy.folds=5", ["strategy=meta"], "set strategy@strategy.primary=ridge, or leave it at 4"),
    ("strategy.bagging_fraction=0.5", ["strategy=lightgbm", "strategy.bagging_freq=0"], "with strategy.bagging_freq=0"),
    ("strategy.members.lightgbm.bagging_fraction=0.5", ["strategy=blend", "strategy.members.lightgbm.bagging_freq=0"],
     "set strategy.members.lightgbm.bagging_freq=1, or leave it at 0.7"),
    ("strategy.bagging_freq=5", ["strategy=lightgbm", "strategy.bagging_fraction=1.0"], "set strategy.bagging_fractio"),
    ("exits.unit=percent", ["exits=stops", "exits.stop=null", "exits.bars=5"], "the rest of exits; set exits.stop=3, "),
    ("exits.window=30", ["exits=stops", "exits.unit=percent"], "set exits.unit=volatility exits.stop=3, or leave it a"),
    ("features.context.periods=[3]", ["features=[price,context]", "features.context.transforms=[level]"],
     "set features.context.transforms=[level,change], or leave it at"),
    ("validation.embargo=5", [], "with validation.splitter=WalkForward; set validation=purged_kfold, or leave it at 0"),
    ("validation.embargo=5D", ["validation=sklearn"], "with validation.splitter=TimeSeriesSplit; set validation=purge"),
    ("validation.splitter.window=200", ["validation=rolling", "+validation.window=100"], "with validation.window=100;"),
    ("validation.splitter.every=1Y", ["validation.every=1Q", "+validation.splitter.every=1Y"], "set validation.every="),
    ("data.pattern=nonlinear", ["data=synthetic"], "with data.ic=0.0; set data.ic=0.1, or leave it at linear"),
    ("data.execution=next_close", ["data=synthetic"], "with data.ic=0.0; set data.ic=0.1, or leave it at next_open"),
    ("portfolio.volatility_window=20", [], "with portfolio.volatility_target=null; set portfolio.volatility_t"),
    ("backtest.volatility_window=30", [], "with backtest.weighting=equal; set backtest.weighting=volatility, or"),
    ("backtest.borrow_bps=300", ["portfolio.long_only=true"], "with portfolio.long_only=true; set portfolio.long"),
    ("backtest.capital=5000", [], "with costs=flat; set costs=impact, or leave it at 1000000"),
    ("backtest.capital=5000", ["costs=spread"], "with costs=Spread; set costs=impact, or leave it at 1000000"),
    ("plausibility.information_ratio=5", ["audit=none"], "with audit=none; set audit=quick, or leave it at 3"),
    ("plausibility.standard_errors=5", ["audit=none"], "with audit=none; set audit=quick, or leave it at 6"),
    ("plausibility.sharpe=5", ["audit=none"], "with audit=none; set audit=quick, or leave it at 4"),
    ("plausibility.bars=5", ["audit=none"], "with audit=none; set audit=quick, or leave it at 500"),
    ("device.strict=true", ["device=cpu", "strategy=lstm"],
     "with device.name=cpu; set device.name=cuda, or leave it at false"),
    ("device.memory_fraction=0.5", ["device=cpu", "strategy=lstm"],
     "with device.name=cpu; set device.name=cuda, or leave it at null"),
    ("device.tf32=true", ["device=cpu", "strategy=lstm"],
     "with device.name=cpu; set device.name=cuda, or leave it at false"),
    ("device.deterministic=false", ["device=cpu", "strategy=lstm"],
     "with device.name=cpu; set device.name=cuda, or leave it at true"),
    ("device.parity=false", ["device=cpu", "strategy=lstm"],
     "with device.name=cpu; set device.name=cuda, or leave it at true"),
    ("device.strict=true", [], "without a net; set strategy=lstm"),
    ("device.memory_fraction=0.5", ["device=cpu"],
     "without a net; set strategy=lstm device.name=cuda, or leave it at null"),
    ("device.tf32=true", [], "without a net; set strategy=lstm"),
    ("device.deterministic=false", [], "without a net; set strategy=lstm device.name=cuda"),
    ("device.parity=false", [], "without a net; set strategy=lstm device.name=cuda"),
    ("monitor.profile=5", [], "without a net; set strategy=lstm, or leave it at 0"),
    ("monitor.profile=20", ["monitor=profiler", "strategy=random_forest"], "without a net; set strategy=lstm, or leav"),
    ("monitor.slow_step=2", [], "without a net; set strategy=lstm, or leave it at 3.0"),
    ("monitor.memory_share=0.5", [], "without a net; set strategy=lstm, or leave it at 0.9"),
    ("threads=auto", [], "without a net; set strategy=lstm, or leave it at null"),
    ("importance=gain", ["strategy=knn"], "without a strategy that knows its own; set importance=permutation, or leav"),
    ("importance=gain", ["strategy=lstm"], "without a strategy that knows its own; set importance=permutation, or le"),
]  # fmt: skip


@cache
def composed(*words: str) -> DictConfig:
    return compose(list(words))


def having(beside: list[str], *words: str) -> DictConfig:
    """The configuration of `beside` with settings set; groups are composed anew."""
    kept = [
        w for w in words if "@" not in w and ("." in w.partition("=")[0] or w.startswith(("threads", "imp", "aud")))
    ]
    config = copy.deepcopy(composed(*beside, *(w for w in words if w not in kept)))
    for word in kept:
        key, _, value = word.partition("=")
        OmegaConf.update(config, key, yaml.safe_load(value), merge=False, force_add=True)
    return config


@pytest.mark.parametrize(("word", "beside", "said"), CASES)
def test_it_is_refused_in_one_line_whose_remedies_work(word, beside, said):
    with pytest.raises(ConfigError, match="has no effect") as raised:
        parts_of(having(beside, word))
    code, line = one_line(raised.value)
    assert code == 2 and line.startswith(f"{word}: has no effect with") and said in line
    remedy, usual = re.search(r"; set (.+), or leave it at (.+)$", line).groups()
    parts_of(having(beside, word, *remedy.split()))
    parts_of(having(beside, f"{word.partition('=')[0]}={usual}"))


def test_the_tables_are_tried_whole():
    tried = {word.partition("=")[0] for word, _, _ in CASES}
    for rule in ONLY:
        assert any(key == rule.setting or key.endswith(f".{rule.setting}") for key in tried), rule
    assert {rule.setting for rule in TRAINED} <= tried


def test_what_nobody_set_is_never_refused():
    """Options beside trees and a net; but profiler, which is asked for. Those of other groups are run one by one."""
    made = {name: parts_of(composed(f"strategy={name}")).strategy for name in ("xgboost", "lstm")}
    for group in ("device", "monitor"):
        for path in sorted((ROOT / "conf" / group).glob("*.yaml")):
            config = plain(composed(f"{group}={path.stem}", "audit=none"))
            for name in ("lstm",) if path.stem == "profiler" else made:
                check_effects(config, made[name])


def test_what_a_local_file_says_of_every_run_is_a_default(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf/local").mkdir(exist_ok=True)
    (tmp_path / "conf/local/default.yaml").write_text("# @package _global_\ndevice:\n  strict: true\n")
    monkeypatch.setattr(effects, "conf_dir", lambda: str(tmp_path / "conf"))
    effects._of_this_machine.cache_clear()
    parts_of(compose(["device.strict=true"]))
    with pytest.raises(ConfigError, match=r"device\.tf32=true: has no effect"):
        parts_of(compose(["device.tf32=true"]))
    effects._of_this_machine.cache_clear()


STUDY_CASES = [
    ({"startup": 5, "sampler": "random"}, "isolated", "startup=5: has no effect with hydra.sweeper.sampler=random"),
    ({"n_trials": 5, "sampler": "grid"}, "isolated", "n_trials=5: has no effect with hydra.sweeper.sampler=grid"),
    ({"seed": 5, "sampler": "grid"}, "isolated", "seed=5: has no effect with hydra.sweeper.sampler=grid"),
    ({"prune_after": 2}, "isolated", "prune_after=2: has no effect with hydra.sweeper.prune=null"),
    ({"batch": 2}, "isolated", "batch=2: has no effect with hydra.launcher._target_="),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "launcher", "line"), STUDY_CASES)
def test_what_a_study_does_not_read_is_refused(settings, launcher, line):
    usual = yaml_of(ROOT / "conf/hydra/sweeper/study.yaml")
    target = "hydra_plugins.barwise.isolated.IsolatedLauncher" if launcher == "isolated" else "basic"
    check_study(usual, target)
    check_study({**usual, **settings, "sampler": "tpe", "prune": "fold"}, "basic")
    with pytest.raises(ConfigError, match=re.escape(f"hydra.sweeper.{line}")):
        check_study({**usual, **settings}, target)


def test_what_a_sweep_does_not_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"hydra\.run\.dir=x: has no effect on a sweep"):
        check_sweep(["hydra.run.dir=x"], tmp_path)
    with pytest.raises(ConfigError, match=r"sweep\.retry=failed: has no effect on a sweep that is new"):
        check_sweep([], tmp_path, "failed")
    (tmp_path / "0").mkdir()
    (tmp_path / "0/run.json").write_text("{}")
    check_sweep(["hydra.sweep.dir=x"], tmp_path, "failed")


WORDS = (
    "objective=ic",
    "sweep.retry=failed",
    "sweep.name=x",
    "+hydra.launcher.n_jobs=2",
    "hydra/sweeper=study",
    "hydra.sweep.dir=x",
)


@pytest.mark.parametrize("word", WORDS)
def test_what_a_sweep_reads_is_refused_without_one(word):
    with pytest.raises(ConfigError, match="has no effect on a single run; add -m, or leave it out"):
        check_single(["seed=1", word])


def test_a_process_says_so_and_leaves_nothing(tmp_path):
    done = train("experiment=smoke", "sweep.pages=3", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "barwise: sweep.pages=3: has no effect on a single run; add -m, or leave it out\n"
    assert not (tmp_path / "trials.jsonl").exists()


def test_an_empty_mapping_over_entries_is_refused_and_its_remedy_takes_one_out():
    config = {"strategy": {"members": {"xgboost": {"depth": 3}, "ridge": {}}, "monotone": None, "none": {}}}
    with pytest.raises(ConfigError, match=r"^strategy\.members=\{\}: has no effect.*~strategy\.members\.xgboost, or"):
        check_merged(["seed=1", "strategy.members={}"], config)
    check_merged(["strategy.monotone={}", "strategy.none={}", "strategy.members={knn:{}}"], config)
