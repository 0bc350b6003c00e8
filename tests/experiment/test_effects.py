"""A setting that has no effect because of another one is refused before a bar is read; each remedy works as printed."""

from __future__ import annotations

import re

import pytest

from barwise.console.arguments import compose
from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment.configuration import plain
from barwise.experiment.effects import _ONLY, check_effects, check_single
from barwise.experiment.recipe import parts_of
from tests.conftest import train

CASES = {  # what is set: what it is set beside, and the line
    "strategy.chunk=32": (["strategy=lstm"], "with strategy.sequence=window; set strategy.sequence=stream, or"),
    "strategy.folds=3": (["strategy=blend"], "with strategy.weights=equal; set strategy.weights=ridge, or leave it at"),
    "strategy.alpha=2": (["strategy=blend", "strategy.weights=ic"], "with strategy.weights=ic; set strategy.weights="),
    "strategy.folds=5": (["strategy=meta"], "set strategy@strategy.primary=ridge, or leave it at 4"),
    "portfolio.volatility_window=20": ([], "with portfolio.volatility_target=null; set portfolio.volatility_t"),
    "backtest.volatility_window=30": ([], "with backtest.weighting=equal; set backtest.weighting=volatility, or"),
    "backtest.borrow_bps=300": (["portfolio.long_only=true"], "with portfolio.long_only=true; set portfolio.long"),
    "data.pattern=nonlinear": (["data=synthetic"], "with data.ic=0.0; set data.ic=0.1, or leave it at linear"),
    "device.strict=true": (["device=cpu"], "with device.name=cpu; set device.name=cuda, or leave it at false"),
    "device.memory_fraction=0.5": (["device=cpu"], "with device.name=cpu; set device.name=cuda, or leave it at null"),
    "device.tf32=true": (["device=cpu"], "with device.name=cpu; set device.name=cuda, or leave it at false"),
    "device.parity=false": (["device=cpu"], "with device.name=cpu; set device.name=cuda, or leave it at true"),
}  # fmt: skip


@pytest.mark.parametrize("word", CASES)
def test_it_is_refused_in_one_line_whose_remedies_work(word):
    beside, said = CASES[word]
    with pytest.raises(ConfigError, match="has no effect") as raised:
        parts_of(compose([*beside, word]))
    code, line = one_line(raised.value)
    assert code == 2 and line.startswith(f"{word}: has no effect with ") and said in line
    remedy, usual = re.search(r"; set (\S+), or leave it at (\S+)$", line).groups()
    check_effects(plain(compose([*beside, word, remedy])))
    check_effects(plain(compose([*beside, f"{word.partition('=')[0]}={usual}"])))


def test_the_table_is_tried_whole():
    assert {rule.setting for rule in _ONLY} == {word.partition("=")[0] for word in CASES} and len(CASES) == len(_ONLY)


WORDS = ("sweep.retry=failed", "sweep.name=x", "+hydra.launcher.n_jobs=2", "hydra/sweeper=study", "hydra.sweep.dir=x")


@pytest.mark.parametrize("word", WORDS)
def test_what_a_sweep_reads_is_refused_without_one(word):
    with pytest.raises(ConfigError, match="has no effect on a single run; add -m, or leave it out"):
        check_single(["seed=1", word])


def test_a_process_says_so_and_leaves_nothing(tmp_path):
    done = train("experiment=smoke", "sweep.pages=3", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "barwise: sweep.pages=3: has no effect on a single run; add -m, or leave it out\n"
    assert not (tmp_path / "trials.jsonl").exists()
