"""The universe: rows exist only while a symbol was in it; what is wrong in its file is told in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.backtest.baselines import baselines
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.backtest.weights import weigh
from barwise.console.progress import Progress
from barwise.data import sample, synthetic
from barwise.data.hash import data_hash
from barwise.data.members import Universe, described, read, within
from barwise.errors import ConfigError, DataError
from barwise.experiment.run import run
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.labels import next_return_sign
from barwise.panel import build_panel
from barwise.runs.directory import RunDirectory
from tests.audit.cases import honest

HEADER = "symbol,from,to\n"


def file(folder: Path, text: str) -> str:
    path = folder / "universe.csv"
    path.write_text(text)
    return str(path)


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


def test_stays_are_read_with_both_ends_included(tmp_path: Path):
    found = read(file(tmp_path, HEADER + "B,2001-03-01,2001-03-05\nA,2000-01-01,\nB,2002-01-01,2002-02-01\n"))
    time = np.array(["2001-02-28", "2001-03-01", "2001-03-05T23:00", "2001-03-06", "2002-01-15"], "datetime64[ns]")
    assert found.inside("B", time).tolist() == [False, True, True, False, True]
    assert found.inside("A", time).all() and not found.inside("C", time).any()


def test_parquet_and_other_cases_of_the_names(tmp_path: Path):
    path = tmp_path / "u.parquet"
    table = {
        "Symbol": ["A", "B"],
        "From": pd.to_datetime(["2000-01-01"] * 2),
        "To": [pd.Timestamp("2001-01-01"), pd.NaT],
    }
    pd.DataFrame(table).to_parquet(path)
    found = read(str(path))
    assert found.inside("A", np.array([day("2001-01-02")])).tolist() == [False]
    assert found.inside("B", np.array([day("2020-01-02")])).tolist() == [True]


BAD = {
    "symbol,from\nA,2000-01-01\n": "no column to; it has symbol, from",
    HEADER: "the file has no rows",
    HEADER + "A,soon,\n": "row 1: from is 'soon'; it must be a date such as 2005-01-31",
    HEADER + "A,2000-01-01,\nB,,\n": "row 2: from is ''",
    HEADER + "A,2002-01-01,2001-01-01\n": "row 1: A leaves on 2001-01-01, before it comes on 2002-01-01",
    HEADER + ",2002-01-01,\n": "row 1: has no symbol",
    HEADER + "ZZZ,2002-01-01,\n": "none of its symbols has a bar of its stay",
    HEADER + "IBM,1990-01-01,1991-01-01\n": "none of its symbols has a bar of its stay",
    "": "cannot be read",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_one_line(text: str, tmp_path: Path):
    path = file(tmp_path, text)
    with pytest.raises(DataError) as error:
        sample.load(universe=path)
    assert str(error.value).startswith(f"data.universe={path}") and BAD[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path: Path):
    with pytest.raises(DataError, match="is not there; it has the columns symbol, from, to"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match=r"must be a file ending in \.csv or \.parquet"):
        read(str(tmp_path))


def test_who_never_was_in_is_left_out_and_who_has_no_bars_is_named(tmp_path: Path):
    market = sample.load(
        universe=file(tmp_path, HEADER + "IBM,2001-01-01,2009-12-31\nAAPL,2005-01-01,\nLEH,2000-01-01,\n")
    )
    assert market.symbols == ("AAPL", "IBM")
    warnings = " | ".join(market.facts["warnings"])
    assert "FB, GOOG, MSFT: left out" in warnings and "LEH: in " in warnings and "without bars" in warnings
    assert "survivorship is controlled as far as" in described(market.facts)["note"]
    assert len(market.bars[1]) == len(sample.load(symbols=["IBM"]).bars[0]), "bars outside its stay still feed features"


def test_without_one_it_is_said_that_survivorship_is_not_controlled():
    assert described({"name": "files"})["note"].endswith("survivorship is not controlled")
    assert "not controlled" in described(sample.load().facts)["note"]
    assert "survivorship" not in described(synthetic.load(1, 100).facts)["note"]


def stays(symbol: str, first: int, last: int) -> Universe:
    """S0000 always, `symbol` between two rows of the synthetic market."""
    time = synthetic.load(2, 700).bars[0].time
    return Universe("made", {"S0000": ((time[0], time[-1]),), symbol: ((time[first], time[last]),)})


def test_rows_are_those_of_a_stay_and_features_reach_before_it():
    market = replace(synthetic.load(2, 700), universe=stays("S0001", 300, 500))
    matrix = build(market.bars, {"price": price})
    panel = build_panel(matrix, next_return_sign, market.universe)
    other = panel.symbol == 1
    assert np.flatnonzero(panel.warm[other]).tolist() == list(range(300, 501))
    whole = build_panel(matrix, next_return_sign)
    np.testing.assert_array_equal(panel.X, whole.X)
    np.testing.assert_array_equal(panel.start, whole.start)  # a window of the first row reaches back before its stay
    assert whole.warm[~other].sum() == panel.warm[~other].sum() == 501


def test_weights_and_baselines_count_and_trade_members_alone():
    market = replace(synthetic.load(2, 700), universe=stays("S0001", 300, 500))
    grid = Grid.build(market.bars, market.universe)
    weight = weigh(grid, grid.member.astype(float), Backtest())
    assert weight[200, 0] == 1.0 and weight[400, 0] == 0.5 and weight[600, 0] == 1.0
    time = market.bars[0].time[100:690]
    free = Backtest(commission_bps=0, slippage_bps=0, borrow_bps=0)
    made = Signals(np.zeros(len(time), int), time, np.ones(len(time)))
    ledgers = baselines(grid, free, made, 252.0, 0)
    hold = ledgers["buy_and_hold"][0]
    alone = market.bars[0].close[102:302] / market.bars[0].close[101:301] - 1
    np.testing.assert_allclose(hold.gross[2:200], alone[:198], atol=1e-12)
    assert hold.exposure[-1] == pytest.approx(1.0) and hold.n_trades == 3  # the first bought, the other bought and sold
    other = ledgers["buy_and_hold"][0].contribution[1]
    bars = market.bars[1]
    assert other != 0 and np.sign(other) == np.sign(bars.close[501] - bars.open[301])


def test_a_run_says_what_was_outside_and_hashes_the_universe(tmp_path: Path):
    market = synthetic.load(2, 700)
    inside = replace(market, universe=stays("S0001", 300, 500))
    assert data_hash(market) != data_hash(inside)
    out = RunDirectory(tmp_path)
    out.start()
    run(honest(data=lambda: inside), out, Progress(quiet=True))
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["rows"]["outside_universe"] == 499 and manifest["audit"]["passed"] is True
    scored = pd.read_parquet(tmp_path / "predictions.parquet")
    time = scored[scored["symbol"] == "S0001"]["time"]
    assert len(time) and time.max() <= pd.Timestamp(market.bars[0].time[500])


def test_null_is_no_universe():
    market = synthetic.load(1, 50)
    assert within(market, None) is market
