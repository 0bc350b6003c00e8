"""The sealed stretch: nothing sees it, one look is scored, and each look is on record."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import barwise
from barwise.__main__ import main
from barwise.data import synthetic
from barwise.data.bars import Market
from barwise.errors import ConfigError, DataError
from barwise.evidence.sealed import _openings, before, record, sealed
from tests.evidence.finished import train_all

UNCHECKED = "audit=none: nothing was checked for look-ahead"  # the small runs do without
LOAD = partial(synthetic.load, n_symbols=3, n_bars=400)


def test_the_last_stretch_is_cut_before_anything_sees_it():
    whole, open_ = LOAD(), sealed(LOAD, 0.25)()
    for a, b in zip(whole.bars, open_.bars, strict=True):
        assert np.array_equal(a.close[:300], b.close) and len(b) == 300
    note = open_.facts["sealed"]
    assert note["bars"] == 100 and np.datetime64(note["from"]) == whole.bars[0].time[300]
    assert sealed(LOAD, 0) is LOAD


@pytest.mark.parametrize("fraction", [-0.1, 0.95, True, "a fifth"])
def test_a_wrong_fraction_is_one_line(fraction):
    with pytest.raises(ConfigError, match=r"sealed.fraction=.*: must be a number from 0 to 0.9"):
        sealed(LOAD, fraction)


def test_a_symbol_that_lies_behind_the_seal_is_left_out_and_told():
    bars = LOAD().bars
    late = Market((bars[0], bars[1].take(slice(350, None))))
    found = before(late, bars[0].time[300])
    assert found.symbols == ("S0000",) and "S0001: all bars lie in the sealed stretch" in found.facts["warnings"]
    assert sealed(lambda: late, 0.25)().facts["sealed"]["behind"] == ["S0001"]
    with pytest.raises(DataError, match="no symbol has a bar before"):
        before(late, bars[0].time[0])


def test_an_opening_spends_what_it_overlaps_and_nothing_else(tmp_path: Path):
    assert _openings(tmp_path, ["A"], "2010-01-01", "2020-01-01") == []
    record(tmp_path, {"run": "r", "symbols": ["A", "B"], "from": "2018-01-01", "to": "2019-01-01"})
    count = partial(_openings, tmp_path)
    assert len(count(["B", "C"], "2010-01-01", "2018-06-01")) == 1
    assert count(["C"], "2010-01-01", "2020-01-01") == []
    assert count(["A"], "2010-01-01", "2017-12-31") == [] and count(["A"], "2019-01-02", "2020-01-01") == []


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Path:
    """A run with a sealed fifth, opened once, beside one that sealed nothing."""
    home = tmp_path_factory.mktemp("outputs")
    train_all(home, {"run": ("sealed.fraction=0.2", "data.n_bars=800"), "plain": ("data.n_bars=800",)})
    assert barwise.load(home / "run").verdict["sealed_openings"] == 0
    main(["unseal", str(home / "run")])
    return home / "run"


def test_the_run_never_traded_the_stretch_and_the_opening_trades_all_of_it(opened):
    seal = json.loads((opened / "run.json").read_text())["data"]["sealed"]
    first = np.datetime64(seal["from"])
    inside = pq.read_table(opened / "ledger.parquet")["time"].to_numpy()
    after = pq.read_table(opened / "sealed" / "ledger.parquet")["time"].to_numpy()
    assert inside.max() < first <= after.min() and len(after) == seal["bars"] == 160
    manifest = json.loads((opened / "sealed" / "run.json").read_text())
    assert manifest["status"] == "done" and manifest["warnings"] == [UNCHECKED] and len(manifest["folds"]) == 1


def test_the_opening_is_on_record_and_later_reports_say_so(opened):
    lines = (opened.parent / "sealed.jsonl").read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["symbols"] == ["S0000", "S0001"]
    found = barwise.load(opened).verdict
    assert found["sealed_openings"] == 1 and "; sealed bars were opened 1 time, last on 20" in found["sentence"]
    assert found["sealed_traded"] == 1 and found["sentence"].endswith(" and seen by 1 trial without the seal.")
    assert "sealed bars were opened" not in json.loads((opened / "verdict.json").read_text())["sentence"]


@pytest.mark.parametrize(
    ("name", "words"), [("run", "was unsealed before, a stretch is scored once"), ("plain", "sealed nothing")]
)
def test_what_cannot_be_opened_is_one_line_and_no_opening(opened, capsys, name, words):
    with pytest.raises(SystemExit) as ended:
        main(["unseal", str(opened.parent / name)])
    assert ended.value.code == 2 and words in capsys.readouterr().err
    assert len((opened.parent / "sealed.jsonl").read_text().splitlines()) == 1


def test_other_bars_before_the_seal_are_told(opened, tmp_path):
    shutil.copytree(opened.parent, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "run"
    shutil.rmtree(run / "sealed")
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, "data_hash": "of other bars"}))
    main(["unseal", str(run)])
    warnings = json.loads((run / "sealed" / "run.json").read_text())["warnings"]
    assert warnings == ["the bars before the sealed stretch are not the ones that the run was made from", UNCHECKED]
    assert barwise.load(run).verdict["sealed_openings"] == 2


@pytest.fixture
def moved(opened, tmp_path) -> Path:
    """The run in a folder of its own, with its ledger of trials and no opening on record."""
    shutil.copytree(opened.parent, tmp_path / "outputs")
    (tmp_path / "outputs" / "sealed.jsonl").unlink()
    return tmp_path / "outputs" / "run"


def looks(run: Path) -> list[dict]:
    path = run.parent / "sealed.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def bars_of_the_run(run: Path) -> Market:
    return synthetic.load(n_symbols=2, n_bars=800, seed=barwise.load(run).config["data"]["seed"])


def test_predicting_sealed_bars_is_a_look_on_record(moved, capsys):
    config = barwise.load(moved).config["data"]
    words = [f"data.{k}={config[k]}" for k in ("n_symbols", "n_bars", "seed")]
    main(["predict", str(moved), "data=synthetic", *words, "--out", str(moved.parent / "scores.csv")])
    found = looks(moved)
    assert [x["by"] for x in found] == ["predict"] and found[0]["symbols"] == ["S0000", "S0001"]
    assert "opened 1 time (by predict), last on" in barwise.load(moved).verdict["sentence"]


def test_serving_sealed_bars_is_one_look_on_record(moved):
    market = bars_of_the_run(moved)
    first = np.datetime64(barwise.load(moved).manifest["data"]["sealed"]["from"])
    session = barwise.live(moved, before(market, first))
    cut = int(np.searchsorted(market.bars[0].time, first))
    assert looks(moved) == []
    for t in range(cut, cut + 3):
        one = {b.symbol: {k: float(getattr(b, k)[t]) for k in ("open", "high", "low", "close", "volume")}
               for b in market.bars}  # fmt: skip
        session.step(market.bars[0].time[t], one)
    assert [(x["by"], x["from"]) for x in looks(moved)] == [("live", str(market.bars[0].time[cut]))]


@pytest.mark.parametrize(("symbol", "seen"), [(None, 1), ("S0001", 1), ("OTHER", 0)])
def test_a_notebook_on_sealed_dates_is_a_look_on_record(moved, monkeypatch, symbol, seen):
    from barwise.notebook import XGBoostStrategy

    monkeypatch.chdir(moved.parents[1])
    b = bars_of_the_run(moved).bars[1]
    columns = {k: getattr(b, k) for k in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(b.time))
    frame.attrs.update({"symbol": symbol} if symbol else {})
    sealed_from = barwise.load(moved).manifest["data"]["sealed"]["from"]
    strategy = XGBoostStrategy(n_estimators=2, device="cpu").train_model(frame.loc[frame.index < sealed_from])
    assert looks(moved) == []
    strategy.generate_signals(frame)
    assert [x["by"] for x in looks(moved)] == ["notebook"] * seen
