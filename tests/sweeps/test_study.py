"""hydra/sweeper=study: what is searched, a study that is gone on with, pruning, and what failed trials become."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from barwise.errors import ConfigError
from barwise.sweeps.search import Dimension, every, from_overrides, from_yaml, suggest, words
from tests.conftest import PATIENCE, train
from tests.sweeps.cases import SMALL, leaderboard, states
from tests.sweeps.test_isolated import start, wait_until

STUDY = ("-m", *SMALL, "hydra/sweeper=study", "validation.splitter.n_splits=2")


def study_of(sweep: Path) -> Any:
    import optuna

    return optuna.load_study(study_name=sweep.name, storage=f"sqlite:///{sweep}/study.db")


def test_conditions_and_scales_come_from_yaml():
    import optuna

    dimensions = from_yaml(
        {
            "strategy": ["lstm", "xgboost"],
            "strategy.max_depth": {"low": 2, "high": 6, "when": {"strategy": "xgboost"}},
            "strategy.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True, "when": {"strategy": ["lstm"]}},
        }
    )
    seen = set()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(40):
        chosen = suggest(study.ask(), dimensions)
        seen.add((chosen["strategy"], *sorted(set(chosen) - {"strategy"})))
        assert 2 <= chosen.get("strategy.max_depth", 2) <= 6
        assert 1e-4 <= chosen.get("strategy.learning_rate", 1e-3) <= 1e-1
    assert seen == {("lstm", "strategy.learning_rate"), ("xgboost", "strategy.max_depth")}
    low = [t.params["strategy.learning_rate"] for t in study.trials if "strategy.learning_rate" in t.params]
    assert sum(x < 3.2e-3 for x in low) >= len(low) / 4  # half of them on a log scale, one in thirty on a plain one


def test_the_command_line_says_the_same():
    given = OverridesParser.create().parse_overrides(
        ["a=1,2", "b=range(1,4)", "c=interval(0.5,2)", "d=tag(log,interval(1,100))", "e=5", "f='x,y'"]
    )
    dimensions, fixed = from_overrides(given)
    assert dimensions == [
        Dimension("a", ("1", "2")), Dimension("b", low=1, high=3, step=1), Dimension("c", low=0.5, high=2.0),
        Dimension("d", low=1.0, high=100.0, log=True),
    ]  # fmt: skip
    assert fixed == ["e=5", "f='x,y'"]


def test_a_grid_heeds_conditions_and_takes_each_combination_once():
    half = {"low": 0.0, "high": 1.0, "step": 0.5}
    dimensions = from_yaml({"m": ["a", "b"], "x": {"low": 1, "high": 3, "when": {"m": "a"}}, "y": half})
    cells = list(every(dimensions))
    assert len(cells) == 3 * 3 + 3
    assert words(cells[0]) == ["m=a", "x=1", "y=0.0"]


BAD = {
    "must be a list, or hold some of": {"a": 3},
    "must have choice, or low and high": {"a": {"low": 1}},
    "low=3 must be below high=1": {"a": {"low": 3, "high": 1}},
    "must be above 0 on a log scale": {"a": {"low": 0, "high": 1, "log": True}},
    "must name an entry above it": {"a": {"choice": [1], "when": {"b": 1}}, "b": [1]},
    "is none of 1, 2": {"a": [1, 2], "b": {"choice": [1], "when": {"a": 3}}},
}


@pytest.mark.parametrize("message", BAD)
def test_a_search_that_cannot_be_is_refused(message: str):
    with pytest.raises(ConfigError, match=message):
        from_yaml(BAD[message])


def test_failed_trials_are_told_and_two_objectives_are_kept(tmp_path: Path):
    finished = train(
        *STUDY, "hydra.sweeper.sampler=grid", "strategy.how=fine,raise", "strategy.n=1,2",
        "objective=[sharpe,turnover]", f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    assert finished.returncode == 4, finished.stderr
    sweep = tmp_path / "sweeps" / "t"
    trials = study_of(sweep).trials
    assert [t.state.name for t in trials].count("FAIL") == 2
    for trial in trials:
        metrics = sweep / str(trial.number) / "metrics.json"
        if trial.state.name == "COMPLETE":
            kept = json.loads(metrics.read_text())
            assert trial.values == [kept["sharpe"], kept["turnover"]]
    assert len(leaderboard(sweep)) == 4 and "turnover" in leaderboard(sweep)[0]


@pytest.mark.slow
def test_a_study_goes_on_after_it_was_killed(tmp_path: Path):
    """Thirty trials by TPE of which two fail, killed in the middle and gone on with."""
    command = (
        *STUDY, "strategy.n=range(0,1000)", "strategy.pause_s=interval(0.0,0.2)", "hydra.sweeper.n_trials=30",
        "strategy.how=twice", f"strategy.once={tmp_path}/mark",
        "hydra.launcher.n_jobs=2", f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    sweep = tmp_path / "sweeps" / "t"
    process = start(*command)
    wait_until(lambda: sum(s["status"] == "done" for s in states(sweep).values()) >= 12)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    done = {n: s for n, s in states(sweep).items() if s["status"] == "done"}
    finished = train(*command)
    assert finished.returncode == 4, finished.stderr  # two failed
    trials = study_of(sweep).trials
    kept = [t for t in trials if "superseded" not in t.user_attrs]
    assert sorted(t.state.name for t in kept) == ["COMPLETE"] * 28 + ["FAIL"] * 2
    again = states(sweep)
    assert {n: again[n] for n in done} == done  # none of those that were done ran again
    assert "running" not in {row["status"] for row in leaderboard(sweep)}  # what was cut off says so
    drawn = [tuple(t.params.items()) for t in kept]
    assert len(set(drawn)) == len(drawn)  # and the sampler did not repeat itself


@pytest.mark.parametrize("by", ["fold", pytest.param("epoch", marks=pytest.mark.slow)])
def test_a_trial_below_the_median_is_pruned(tmp_path: Path, by: str):
    """The later trials are worse by construction: the market's pattern is learned backwards, or not at all."""
    finished = train(
        "-m", "experiment=smoke", "audit=none", "baseline=null", "threads=1", "data.n_bars=900", "data.ic=0.5",
        "validation.splitter.n_splits=3", "strategy=xgboost", "strategy.early_stopping_rounds=null",
        "strategy.n_estimators=20", "hydra/sweeper=study", f"hydra.sweeper.prune={by}", "hydra.sweeper.prune_after=2",
        "hydra.sweeper.sampler=grid", "strategy.learning_rate=0.2,0.1,0.9,0.00001", "hydra.launcher.n_jobs=1",
        f"output_dir={tmp_path}", "sweep.name=t",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    sweep = tmp_path / "sweeps" / "t"
    found = states(sweep)
    pruned = [n for n, state in found.items() if state["status"] == "pruned"]
    assert pruned and 0 not in pruned and 1 not in pruned
    assert {t.number for t in study_of(sweep).trials if t.state.name == "PRUNED"} == set(pruned)
    assert all(state["reason"].startswith(f"pruned after {by}") for n, state in found.items() if n in pruned)


MISTAKES = {
    ("hydra.sweeper.sampler=magic",): "hydra.sweeper.sampler=magic: must be one of grid, random, tpe",
    ("hydra.sweeper.prune=week",): "hydra.sweeper.prune=week: must be null or one of fold, epoch",
    ("hydra.sweeper.storage=sqlite:////nowhere/at/all.db",): "hydra.sweeper.storage: cannot be used",
}


@pytest.mark.parametrize("overrides", MISTAKES)
def test_a_mistake_is_one_line(overrides: tuple[str, ...], tmp_path: Path):
    finished = train(*STUDY, "strategy.n=1,2", *overrides, f"output_dir={tmp_path}")
    assert finished.returncode == 2, finished.stderr
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"barwise: {MISTAKES[overrides]}"), lines


def test_nothing_to_search_says_so(tmp_path: Path):
    finished = train(*STUDY, f"output_dir={tmp_path}")
    assert finished.returncode == 2
    assert finished.stderr.startswith("barwise: hydra/sweeper=study: nothing to search")
