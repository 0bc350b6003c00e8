"""The leaderboard: order, spread over seeds, deflated Sharpe as the verdict has it, any folder of runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from barwise.__main__ import main
from barwise.evidence import trials
from barwise.evidence.deflated import Moments, sharpe
from barwise.evidence.identity import seen
from barwise.evidence.sketch import sketch
from barwise.evidence.verdict import verdict_of
from barwise.runs.directory import write_json, write_parquet
from barwise.sweeps.leaderboard import Leaderboard


def a_run(home: Path, name: str, mean: float = 0.0, status: str = "done", seed: int = 0, **metrics: float) -> Path:
    """A run as it lies on disk, entered into the ledger of trials."""
    folder = home / "sweeps" / "s" / name
    rng = np.random.default_rng(seed + 100)
    net = rng.normal(mean, 0.01, 400)
    reason = None if status == "done" else "killed by SIGKILL"
    overrides = [f"strategy={name.split('-')[0]}", f"seed={seed}", "data=synthetic", "sweep.name=s"]
    data = {"periods_per_year": 252.0, "first": "2001-01-01", "last": "2002-02-04", "symbols": ["A"]}
    data["bar_size"] = "86400s"
    family = name.split("-")[0]
    state = {
        "status": status, "reason": reason, "overrides": overrides, "seed": seed, "device": {"used": "cpu"},
        "seconds": {"fit": 1.5, "data": 0.5}, "data": data, "market": "m", "family": family,
        "trial": name, "trials_folder": "../../..",
    }  # fmt: skip
    write_json(folder / "run.json", state)
    times = np.datetime64("2001-01-01") + np.arange(400)
    facts = {"sharpe": sharpe(net), "z": Moments.of(net).z, "bars": len(net), "net": sketch(times, net)}
    what = {"market": "m", "trial": name, "family": family, "run": name, "status": status, **seen(data)}
    trials.enter(home, {**what, **(facts if status == "done" else {})})
    if status == "done":
        write_parquet(folder / "ledger.parquet", {"time": times, "excess": net})
        write_json(folder / "metrics.json", {"sharpe": sharpe(net) * 252**0.5, **metrics})
        write_json(folder / "verdict.json", {"dsr": None})
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    a_run(tmp_path, "lstm-1", mean=0.0005, seed=1, turnover=9.0)
    a_run(tmp_path, "lstm-2", mean=0.0005, seed=2, turnover=7.0)
    a_run(tmp_path, "xgboost-1", mean=0.002, seed=1, turnover=20.0)
    a_run(tmp_path, "ridge-1", status="failed")
    return tmp_path


def board_of(home: Path, *objectives: str) -> Leaderboard:
    board = Leaderboard(home / "sweeps" / "s", objectives or ("sharpe",))
    board.update()
    return board


def test_the_best_is_first_and_what_failed_is_last(home: Path):
    rows = board_of(home).rows
    values = [row.values[0] for row in rows[:3]]
    assert values == sorted(values, reverse=True)
    assert rows[0].name == "xgboost-1" and rows[-1].name == "ridge-1"
    assert rows[-1].reason == "killed by SIGKILL" and rows[-1].dsr is None


def test_the_least_turnover_is_best(home: Path):
    assert [row.name for row in board_of(home, "turnover").rows][:3] == ["lstm-2", "lstm-1", "xgboost-1"]


def test_p_and_deflated_sharpe_are_the_verdicts(home: Path):
    for row in board_of(home).rows[:3]:
        found = verdict_of(home / "sweeps" / "s" / row.name)
        assert (row.p_value, row.dsr) == pytest.approx((found["p_value"], found["dsr"]), rel=1e-12)
        assert found["n_seeds"] == (2 if row.name.startswith("lstm") else 1)


def test_the_trials_that_have_skill_are_named_at_the_end(home: Path):
    a_run(home, "extra-1", mean=0.0021, seed=9)
    board = Leaderboard(home / "sweeps" / "s")
    board.update(final=True)
    assert {row.name: row.skilled for row in board.rows} == {
        "extra-1": True, "xgboost-1": True, "lstm-1": False, "lstm-2": False, "ridge-1": None,
    }  # fmt: skip
    with (home / "sweeps" / "s" / "leaderboard.csv").open() as file:
        assert [row["stepm"] for row in csv.DictReader(file)] == ["True", "True", "False", "False", ""]
    assert board.check is not None and board.check.p_value < 0.01


def test_trials_that_differ_in_the_seed_alone_show_their_spread(home: Path):
    rows = {row.name: row for row in board_of(home).rows}
    values = [rows[name].values[0] for name in ("lstm-1", "lstm-2")]
    assert rows["lstm-1"].seeds == rows["lstm-2"].seeds == 2
    assert rows["lstm-1"].mean == pytest.approx(np.mean(values))
    assert rows["lstm-1"].spread == pytest.approx(np.std(values, ddof=1))
    assert rows["xgboost-1"].spread is None


def test_the_file_holds_every_trial(home: Path):
    board_of(home)
    with (home / "sweeps" / "s" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["overrides"] == "strategy=xgboost seed=1"  # what all share is left out
    assert rows[0]["seconds"] == "2.0" and rows[0]["device"] == "cpu" and rows[3]["sharpe"] == ""


def test_only_what_changed_is_read_again(home: Path):
    board = board_of(home)
    kept = dict(board.read)
    a_run(home, "lstm-3", mean=0.01, seed=3)
    board.update()
    assert board.rows[0].name == "lstm-3" and board.rows[1].seeds in (1, 3)
    assert all(board.read[path][1] is row for path, (_, row) in kept.items())


def test_the_verb_ranks_any_folder(home: Path, capsys: pytest.CaptureFixture[str]):
    main(["leaderboard", str(home)])
    shown = capsys.readouterr().out
    assert "lstm-2" in shown and "4 trials by sharpe" in " ".join(shown.split()) and (home / "leaderboard.csv").exists()


MISTAKES = {("nowhere",): "nowhere: is no folder", (".", "--by", "luck"): "leaderboard --by luck: must be one of"}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line(words: tuple[str, ...], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"barwise: {MISTAKES[words]}")


def test_a_broken_manifest_does_not_stop_it(home: Path):
    (home / "sweeps" / "s" / "ridge-1" / "run.json").write_text("{")
    assert [row.status for row in board_of(home).rows] == ["done", "done", "done", "not shown"]
    (home / "sweeps" / "s" / "lstm-1" / "metrics.json").write_text(json.dumps([1]))
    assert board_of(home).rows[0].name == "xgboost-1"
