"""A model trained on all data is served; a run run again gives the same metrics, or says what differs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml

from barwise import __main__ as program
from barwise.data import files as source
from barwise.errors import ConfigError, DataError
from barwise.report.run import load
from barwise.serving.model import serve
from barwise.serving.predict import predict
from barwise.serving.refit import refit, stretches
from barwise.serving.rerun import rerun
from tests.serving.conftest import EARLY

LSTM = ["strategy=lstm", "strategy.epochs=2", "strategy.lookback=5", "strategy.hidden_size=8"]


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained(), tmp_path / "run")


def test_a_refit_learns_from_every_labelled_bar_and_is_served(run, files, capsys):
    before = serve(run)
    with pytest.raises(ConfigError, match="there is none yet"):
        serve(run, "refit")
    program.main(["refit", str(run)])
    assert "rows from" in capsys.readouterr().out
    after = serve(run)
    assert [m.name for m in after.members] == ["refit"] and [m.name for m in serve(run, "last").members] == ["fold-0"]
    market = source.load(str(files["early"]))
    assert after.last == max(b.time[-1] for b in market.bars) > before.last
    facts = json.loads((run / "model" / "refit" / "refit.json").read_text())
    assert facts["rows"] == 2 * (EARLY - 199 - 2)  # warm, and the last two bars have no label yet
    assert facts["budget"]["rounds"] == after.members[0].strategy.booster_.num_boosted_rounds()
    found = predict(after, source.load(str(files["all"])))
    assert np.isfinite(found.score).all() and found.time.min() > after.last


def test_newer_bars_can_be_learned_from_and_a_refit_replaces_the_last(run, files):
    first = refit(run).facts
    second = refit(run, lambda: source.load(str(files["all"]))).facts
    assert second["rows"] > first["rows"] and second["data_hash"] != first["data_hash"]
    assert sorted(p.name for p in (run / "model").iterdir()) == ["fold-0", "refit"]
    with pytest.raises(DataError, match="no bar is later"):
        predict(serve(run), source.load(str(files["all"])))


def test_a_net_is_refit_for_its_best_number_of_epochs(trained, tmp_path):
    folder = shutil.copytree(trained(*LSTM), tmp_path / "net")
    facts = refit(folder).facts
    settings = json.loads((folder / "model" / "refit" / "strategy.json").read_text())
    assert settings["training"]["epochs"] == facts["budget"]["best_epoch"]


def test_thresholds_come_from_rows_that_were_not_learned_from(trained):
    from barwise.features.matrix import build
    from barwise.labels import next_return_sign
    from barwise.panel import build_panel

    run = trained()
    market = source.load(load(run).config["data"]["path"])
    panel = build_panel(build(market.bars, serve(run).sets), next_return_sign)
    half, every = stretches(panel, 0.25)
    assert panel.end[half.train].max() < panel.time[half.valid].min()
    assert set(half.train) | set(half.valid) < set(every.train) and not len(every.valid)


def test_a_refit_that_fails_leaves_the_last_one(run, monkeypatch):
    refit(run)
    kept = (run / "model" / "refit" / "refit.json").read_text()

    def broken(*words, **more):
        raise OSError("disk full")

    monkeypatch.setattr("barwise.serving.refit.keep_model", broken)
    with pytest.raises(OSError, match="disk full"):
        refit(run)
    assert (run / "model" / "refit" / "refit.json").read_text() == kept
    assert sorted(p.name for p in (run / "model").iterdir()) == ["fold-0", "refit"]


@pytest.mark.parametrize("strategy", [["strategy=xgboost"], LSTM])
def test_a_rerun_gives_the_same_metrics(strategy, trained, tmp_path, capsys):
    run = trained(*strategy)
    program.main(["rerun", str(run), "--out", str(tmp_path / "again")])
    equal, _, total = capsys.readouterr().out.split("  ")[1].split()[:3]
    assert equal == total and int(total) > 30
    assert (tmp_path / "again" / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()
    assert serve(tmp_path / "again").features == serve(run).features
    with pytest.raises(SystemExit):
        program.main(["rerun", str(run), "--out", str(tmp_path / "again")])
    assert "is there already" in capsys.readouterr().err


def test_a_difference_is_shown_and_ends_with_1(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | {"sharpe": 9.5}))
    with pytest.raises(SystemExit) as stop:
        program.main(["rerun", str(run), "--out", str(tmp_path / "again")])
    assert stop.value.code == 1 and "sharpe: 9.5 → " in capsys.readouterr().out


def test_other_bars_are_refused(run, files, tmp_path):
    with pytest.raises(DataError, match="the bars are not those of the run"):
        rerun(run, tmp_path / "again", lambda: source.load(str(files["all"])))
    assert not (tmp_path / "again").exists()


def test_what_the_configuration_says_of_outputs_is_not_followed(run, tmp_path, monkeypatch):
    path = run / ".hydra" / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    tree |= {"output_dir": f"{tmp_path}/stolen", "cache": {"folder": f"{tmp_path}/cached", "gb": 1}}
    path.write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    rerun(run, tmp_path / "again")
    assert {p.name for p in tmp_path.iterdir()} == {"run", "again"}
