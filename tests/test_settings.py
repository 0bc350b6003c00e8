"""Every setting of conf/ against odd values: it runs, or is refused in one line before a bar is read."""

from __future__ import annotations

import copy
import math
import resource
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from barwise.commands.train import _settings as train_words
from barwise.console.messages import one_line
from barwise.console.progress import Progress
from barwise.data.synthetic import load
from barwise.errors import BarwiseError
from barwise.evidence.identity import identity
from barwise.experiment.facts import _left_out_lines
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.features.context import context
from barwise.features.matrix import build
from barwise.labels import next_return_sign, triple_barrier
from barwise.runs.directory import RunDirectory
from tests.conftest import ROOT, train

ODD: list[Any] = [
    None, True, False, "x", "", "5X", [], {}, [1, 2], [None], [[1]], [0], {"a": 1}, math.nan, math.inf, -math.inf, -1,
    0,    1.5, -0.5, 1e20, -1e20, 1e308, 1e-300, 2**31, 2**63, 10**20, -(10**20),
]  # fmt: skip
NEEDS_A_FILE = ("data/files", "features/context")
NET = ["strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5"]


def settings() -> Iterator[tuple[str, str]]:
    """(group/file, key in the composed configuration) of every number, null and list of numbers in conf/."""
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        option = path.relative_to(ROOT / "conf").with_suffix("").as_posix()
        group = option.rpartition("/")[0]
        if group == "experiment" or group.startswith("hydra"):
            continue
        place = {"": "", "strategy/net": "strategy.net.", "search/space": "search.space."}.get(group, f"{group}.")
        for key, value in leaves(yaml.safe_load(path.read_text())):
            if not key.startswith(("hydra.", "defaults")) and (value is None or is_numeric(value)):
                yield option, place + key


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        yield place, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{place}.{key}" if place else str(key))


def is_numeric(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


SETTINGS = list(settings())
CASES = [(option, key, odd) for option, key in SETTINGS for odd in ODD]


@cache
def composed(option: str) -> DictConfig:
    group, _, name = option.rpartition("/")
    words = ["experiment=smoke", "threads=1", "strategy=ridge"]
    words += (
        ["strategy=lstm", *NET]
        if group in ("strategy/net", "monitor", "device")
        else NET
        if option == "strategy/lstm"
        else []
    )
    searched = [f"strategy={name}", "search=optuna", "search.trials=2", "search.folds=2"]  # which space, not how long
    words += [*searched, *(NET if name == "lstm" else [])] if group == "search/space" else []
    words += ["~data.n_symbols", "~data.n_bars"] if group == "data" and name != "synthetic" else []
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", [*words, *([f"{group}={name}"] if group else [])])


def changed(option: str, key: str, odd: Any) -> DictConfig:
    config = copy.deepcopy(composed(option))
    OmegaConf.update(config, key, odd, merge=False, force_add=True)
    return config


def refused(error: BaseException) -> bool:
    """Whether an error is a user's mistake in one line; anything else is raised again."""
    code, line = one_line(error)
    if code != 2 or "\n" in line or len(line) > 1000:
        raise error
    return True


def tenth(cases: list[Any]) -> list[Any]:
    return [case for case in cases if zlib.crc32(repr(case).encode()) % 10 == 0]


def accepted(cases: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    """Those that compose and make parts; the others must be refused, in bounded memory."""
    for option in dict.fromkeys(option for option, _, _ in cases):
        parts_of(composed(option))  # whatever is imported counts for nothing
    before, found = peak(), []
    for option, key, odd in cases:
        try:
            parts_of(changed(option, key, odd))
            found.append((option, key, odd))
        except Exception as error:
            assert refused(error), (option, key, odd)
    assert peak() - before < 300
    return found


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def test_odd_values_are_refused_in_one_line():
    assert len(SETTINGS) > 100
    assert len(accepted(tenth(CASES))) < len(tenth(CASES)) / 2


@pytest.mark.slow
def test_all_odd_values_are_refused_or_run(tmp_path: Path):
    for i, (option, key, odd) in enumerate(accepted(CASES)):
        if option.partition("/")[0] == "data" or option in NEEDS_A_FILE:
            continue
        out = RunDirectory(tmp_path / str(i))
        out.start()
        try:
            run(parts_of(changed(option, key, odd)), out, Progress(quiet=True))
        except BarwiseError as error:
            assert refused(error), (option, key, odd)
        except Exception as error:
            raise AssertionError(f"{option} {key}={odd!r}") from error


PROCESSES = {  # what Hydra's grammar makes of it, through a real process
    "validation.embargo=5X": "validation.embargo=5X: must be a length such as 5D",
    "+sede=5": "sede: there is no such key; did you mean seed?",
    "+hydra.joob=5": "hydra.joob: there is no such key; did you mean job?",
}


@pytest.mark.parametrize("word", PROCESSES)
def test_an_odd_value_ends_a_process_with_2(word, tmp_path: Path):
    done = train("experiment=smoke", word, f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"barwise: {PROCESSES[word]}")
    assert not (tmp_path / "trials.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+logger=wandb"], "logger: there is no such key;"),
        (["+features.price.retruns=[1]"], "features.price.retruns: there is no such key; did you mean returns?"),
        (["+labels.horizon=3"], "labels.horizon: there is no such key; labels has execution"),
        (["+validation.splitter.windw=3"], "validation.splitter.windw: there is no such key; did you mean window?"),
        (["+cache.size=3"], "cache.size: there is no such key; cache has folder, gb, mapped"),
        (["+device.memory=3"], "device.memory: there is no such key; device has name"),
        (["strategy=lstm", "+strategy.epoch=3"], "strategy.epoch: there is no such key; did you mean epochs?"),
        (["strategy=ridge", "+strategy.estimator.alfa=3"], "strategy.estimator.alfa: there is no such key;"),
        (["+strategy.max_binn=3"], "strategy.max_binn: XGBoost has no such parameter"),
        (["strategy=lightgbm", "+strategy.colour=3"], "strategy.colour: LightGBM has no such parameter"),
        (["baseline.estimator.alpha=-1"], "baseline.estimator: The 'alpha' parameter of Ridge must be"),
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest(words, line):
    with pytest.raises(Exception) as raised:
        parts_of(plain(*words))
    assert one_line(raised.value)[0] == 2 and one_line(raised.value)[1].startswith(line)


def plain(*words: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", ["experiment=smoke", *words])


def test_a_key_of_ones_own_that_another_value_refers_to_is_no_mistake():
    assert parts_of(plain("+mine=7", "seed=${mine}")).seed == 7


SET = {
    "xgboost": ["num_class", "eval_metric", "seed", "nthread", "device", "eta", "lambda", "rate_drop"],
    "lightgbm": ["num_class", "seed", "num_threads", "verbosity", "subsample", "max_iter", "top_rate"],
    "catboost": ["loss_function", "random_seed", "thread_count", "verbose", "max_depth", "bagging_temperature"],
}


@pytest.mark.parametrize(("strategy", "name"), [(s, n) for s, names in SET.items() for n in names])
def test_what_would_be_overwritten_or_ignored_is_refused(strategy, name):
    with pytest.raises(Exception, match=rf"strategy\.{name}: ") as raised:
        parts_of(plain(f"strategy={strategy}", f"+strategy.{name}=1"))
    assert one_line(raised.value)[0] == 2


@pytest.mark.parametrize("size", ["hidden_size", "lookback", "n_features", "outputs"])
def test_a_nets_sizes_are_the_strategys(size):
    with pytest.raises(Exception, match="would be overwritten") as raised:
        parts_of(plain("strategy=lstm", f"+strategy.net.{size}=3"))
    assert one_line(raised.value)[0] == 2


TWICE = [
    (["data.symbols=AAPL"], ["data.symbols=[AAPL]"]),
    (["data.symbols=[AAPL,IBM]"], ["data.symbols=[IBM,AAPL]"]),
    (["signals.upper=0.80"], []),
    (["backtest.max_gross=1"], ["backtest.max_gross=1.0"]),
    (["~strategy.task"], []),
    (["data=files", "data.path=bars.csv"], ["data=files", "data.path=./here/../bars.csv"]),
    (["data=files", "data.path=x", "data.columns=null"], ["data=files", "data.path=x"]),
]


def trial(words: list[str]) -> dict[str, Any]:
    data = {"symbols": ["AAPL"], "bar_size": "1 day"}
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", words)
    return identity(data, OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "other"), TWICE)
def test_what_means_the_same_is_one_trial(one, other):
    assert trial(one) == trial(other)


@pytest.mark.parametrize(
    "word", ["signals.upper=0.9", "strategy.early_stopping_rounds=null", "seed=1", "data.start=2005"]
)
def test_what_differs_is_another_trial(word):
    assert trial([word])["trial"] != trial([])["trial"]


def test_a_price_that_does_not_move_has_no_direction():
    bars = replace(load(n_symbols=1, n_bars=60).bars[0])
    still = {name: np.full(60, 100.0) for name in ("open", "high", "low", "close")}
    still["open"] = still["open"] * (1 + 1e-15 * np.arange(60))
    for labels in (next_return_sign(replace(bars, **still)), triple_barrier(replace(bars, **still))):
        assert set(np.unique(labels.y[np.isfinite(labels.y)])) == {0.0}


def test_a_constant_column_leaves_no_symbol_out():
    market = load(n_symbols=2, n_bars=80)
    bars = [replace(b, extra={"holiday": np.full(80, value)}) for b, value in zip(market.bars, (0.0, 3.0), strict=True)]
    matrix = build(bars, {"context": context})
    assert not matrix.left_out and np.isfinite(matrix.X[40:80]).all()


def test_many_symbols_left_out_for_one_reason_are_one_line():
    left_out = tuple((f"S{i}", f"{i} bars, and ma_200 is defined on none of them; needs more") for i in range(29))
    (line,) = _left_out_lines(left_out)
    assert line.startswith("29 symbols are left out (S0, S1, S2 and 26 more): ma_200 is defined on none")
    assert len(_left_out_lines(left_out[:2])) == 2


def test_flags_may_stand_anywhere():
    assert train_words(["seed=1,2", "-m"]) == ["-m", "seed=1,2"]


TOO_MUCH = [
    ("random_forest", "min_samples_leaf", 2**63), ("extra_trees", "max_depth", 10**20), ("ridge", "alpha", 1e308),
    ("ridge", "alpha", []), ("ridge", "alpha", [1, 2]), ("ridge", "alpha", {"a": 1}), ("logistic", "C", math.inf),
    ("hist_gradient_boosting", "min_samples_leaf", 2**63), ("knn", "n_neighbors", None),
]  # fmt: skip


@pytest.mark.parametrize("odd", [None, True, "x", [], [0], [None], {}, math.nan, math.inf, -1, 0, 1e20, 10**20])
def test_a_kernels_length_is_a_number_above_0(odd):
    key = "strategy.estimator.kernel.length_scale"
    with pytest.raises(Exception, match=rf"{key}=") as raised:
        parts_of(changed("strategy/gaussian_process", key, odd))
    assert one_line(raised.value)[0] == 2
    assert parts_of(changed("strategy/gaussian_process", key, [1, 2.5]))


@pytest.mark.parametrize(("strategy", "name", "value"), TOO_MUCH)
def test_what_scikit_learn_admits_and_its_compiled_code_cannot_take_is_refused(strategy, name, value):
    with pytest.raises(Exception, match=rf"strategy\.estimator\.{name}=") as raised:
        parts_of(changed(f"strategy/{strategy}", f"strategy.estimator.{name}", value))
    assert one_line(raised.value)[0] == 2
