"""A metric of one's own: one function and a line of YAML."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from barwise.__main__ import main as barwise
from barwise.console.arguments import compose
from barwise.console.messages import one_line
from barwise.console.progress import Progress
from barwise.errors import ConfigError
from barwise.evidence.identity import identity
from barwise.experiment.measures import measured
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from barwise.runs.measures import check_objective

OWN = "+measures.worst={_target_: tests.experiment.test_measures.worst, _partial_: true}"


def worst(net: np.ndarray, per_year: float) -> float:
    return float(net.min())


def test_it_stands_in_metrics_json_and_changes_nothing_else(tmp_path: Path) -> None:
    words = ["experiment=smoke", "strategy=ridge", "threads=1", "audit=none", "baseline=null", "validation=holdout"]
    found = []
    for name, more in (("plain", []), ("own", [OWN])):
        out = RunDirectory(tmp_path / name)
        out.start()
        found.append(run(parts_of(compose([*words, *more])), out, Progress(quiet=True)))
    assert json.loads((tmp_path / "own" / "metrics.json").read_text())["worst"] == found[1].pop("worst") < 0
    assert found[0] == found[1]


def test_it_may_be_an_objective_and_makes_no_trial() -> None:
    check_objective("worst", ["worst"])
    with pytest.raises(ConfigError, match="objective=worst: must be one of"):
        check_objective("worst")
    data = {"symbols": ["A"], "bar_size": "1 day"}
    from omegaconf import OmegaConf

    one, other = (OmegaConf.to_container(compose(w), resolve=True) for w in ([], [OWN]))
    assert identity(data, one) == identity(data, other)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("+measures.sharpe={_target_: math.fsum, _partial_: true}", "is a metric of barwise's already"),
        ("+measures.x=3", "no _target_"),
        ("+measures.x={_target_: nowhere.at_all, _partial_: true}", "nowhere"),
    ],
)
def test_a_mistake_is_one_line(word: str, line: str) -> None:
    with pytest.raises(Exception, match=line) as raised:
        parts_of(compose([word]))
    assert one_line(raised.value)[0] == 2


def test_one_that_fails_names_itself_and_what_is_not_finite_is_null() -> None:
    with pytest.raises(ConfigError, match=r"measures\.bad: must give one number"):
        measured({"bad": lambda net, per_year: net}, np.zeros(3), 252.0)
    assert measured({"odd": lambda net, per_year: np.nan}, np.zeros(3), 252.0) == {"odd": None}


def test_the_leaderboard_ranks_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("low", 0.1), ("high", 0.3), ("mid", 0.2)):
        out = RunDirectory(tmp_path / name)
        out.start()
        (tmp_path / name / "metrics.json").write_text(json.dumps({"sharpe": 1.0, "ulcer": value}))
        out.finish("done")
    barwise(["leaderboard", str(tmp_path), "--by", "ulcer"])
    ranked = (tmp_path / "leaderboard.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in ranked[1:]] == ["high", "mid", "low"] and "ulcer" in ranked[0]
    with pytest.raises(SystemExit) as raised:
        barwise(["leaderboard", str(tmp_path), "--by", "ulcers"])
    assert raised.value.code == 2 and "must be one of sharpe" in capsys.readouterr().err
