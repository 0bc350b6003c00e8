"""The table of strategies: measured in small, stored, and compared with the last stored result."""

import json

import pytest

from barwise.__main__ import main as barwise
from barwise.benchmarks import strategies
from barwise.benchmarks.measure import interleaved, last, store


def test_the_table_is_measured_stored_and_plotted(tmp_path, capsys):
    words = ["--strategies=ridge", "--n_symbols=2", "--n_periods=600", f"--folder={tmp_path}", "--threads=1"]
    barwise(["benchmark", "strategies", *words])
    assert "ridge" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "strategies.json").read_text())["rows"]
    assert row["device"] == "cpu" and row["train_rows"] > 300 and abs(row["rank_ic"]) < 0.5
    assert row["signals_a_second"] == pytest.approx(row["signals_a_second"]) and row["predict_seconds"] > 0
    assert (tmp_path / "strategies.png").stat().st_size > 5000


def test_what_changed_beyond_noise_is_said_with_the_day():
    size = {"n_symbols": 2, "n_periods": 600}
    row = {"strategy": "lstm", "device": "cpu", "threads": 1, "train_seconds": 1.0, "predict_seconds": 1.0}
    now = {"size": size, "rows": [{**row, "predict_seconds": 1.22, "train_seconds": 1.1}]}
    before = {"at": "2026-11-03T10:00:00+00:00", "size": size, "rows": [row]}
    assert strategies._compared(now, before) == ["lstm inference on cpu 22% slower than on 3 November"]
    assert strategies._compared(now, {**before, "size": {"n_symbols": 3}}) == []
    assert strategies._compared(now, None) == []


def test_results_are_kept_with_their_history(tmp_path):
    store("x", {"value": 1}, tmp_path)
    store("x", {"value": 2}, tmp_path)
    assert last("x", tmp_path)["value"] == 2 and last("y", tmp_path) is None
    assert [json.loads(line)["value"] for line in (tmp_path / "x.history.jsonl").read_text().splitlines()] == [1]


def test_actions_are_timed_in_turns():
    calls = []
    found = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert "".join(calls) == "ababab" and set(found) == {"a", "b"}


@pytest.mark.parametrize(
    ("words", "line"),
    [(["nonsense"], "there is no such benchmark; there are"), (["strategies", "--strategies=x"], "must be among")],
)
def test_a_mistake_is_one_line(words, line, capsys):
    with pytest.raises(SystemExit) as stop:
        barwise(["benchmark", *words])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and line in err and len(err.splitlines()) == 1


def test_features_are_measured_in_small_and_the_usual_way_gives_the_same_columns(tmp_path, capsys):
    import numpy as np

    from barwise.benchmarks.features import _SEED_SETS, _usual_way, market_of
    from barwise.features.matrix import compute

    bars = market_of(1, 300).bars[0]
    usual, ours = _usual_way(bars), compute(bars, _SEED_SETS)
    assert set(usual.columns) == set(ours)
    for name in usual:
        kept = np.isfinite(ours[name]) & (np.arange(300) > 60)
        np.testing.assert_allclose(usual[name].to_numpy()[kept], ours[name][kept], rtol=1e-4, atol=1e-5, err_msg=name)
    barwise(
        ["benchmark", "features", "--n_symbols=8", "--n_bars=300", "--plain=1", "--repeats=1", f"--folder={tmp_path}"]
    )
    found = json.loads((tmp_path / "features.json").read_text())
    assert found["seed"]["ratio"] > 1 and found["store"]["share"] < 1 and len(found["growth"]["bars"]) == 4
    assert "rows/s" in capsys.readouterr().out
