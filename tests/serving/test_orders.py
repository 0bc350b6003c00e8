"""Orders are the backtest's own weights in whole shares, from what is held; live as in batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise import __main__ as program
from barwise.backtest.grid import Grid, Signals
from barwise.data import files as source
from barwise.data.synthetic import load as made
from barwise.errors import ConfigError, DataError
from barwise.report.run import load
from barwise.serving.model import serve
from barwise.serving.orders import _shares, desk_of
from barwise.serving.predict import predict
from tests.serving.conftest import train_here, write_csv

SYMBOLS = 12


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a run of deciles with a label of three bars, the file of its bars and some later ones)."""
    folder = tmp_path_factory.mktemp("orders")
    bars = list(made(SYMBOLS, 430, 3, 0.2).bars)
    write_csv(folder / "early.csv", [b.take(slice(0, 400)) for b in bars])
    (folder / "run").mkdir()
    words = ("portfolio=deciles", "portfolio.rule.quantiles=4", "signals=none", "labels=forward_return",
             "labels.horizon=3", "strategy=ridge")  # fmt: skip
    run = train_here(folder / "run", f"data.path={folder / 'early.csv'}", *words)
    return run, write_csv(folder / "all.csv", bars)


def test_they_are_the_weights_that_the_backtest_decides(desk, tmp_path: Path):
    run, path = desk
    served, market = serve(run), source.load(str(path))
    assert load(run).manifest["hold"] == 3
    found = predict(served, market, seen_too=True, desk=desk_of(served))
    orders, backtest = found.orders, desk_of(served).backtest
    assert backtest.portfolio.tranches == 3
    grid = Grid.build(market.bars)
    column = np.array([grid.symbols.index(name) for name in found.symbol])
    known = found.time >= np.unique(found.time)[-60]
    signals = Signals(column[known], found.time[known], found.signal[known], found.score[known])
    ledger = replace(backtest, keep_positions=True).run(grid, signals, 252.0)
    decided = ledger.held.decided[-1]
    weights = dict(zip(orders["symbol"], orders["weight"], strict=True))
    assert len(weights) >= 4 and (orders["time"] == grid.time[-1]).all()
    for s, name in enumerate(grid.symbols):
        assert weights.get(name, 0.0) == pytest.approx(decided[s], abs=1e-12)
    wanted = np.trunc(backtest.capital * orders["weight"] / orders["price"])
    np.testing.assert_array_equal(orders["target"], wanted)
    np.testing.assert_array_equal(orders["order"], wanted)
    assert 0.3 < np.abs(orders["weight"]).sum() < 1 + 1e-9  # three tranches, of which some meet


def test_what_is_held_counts_and_what_is_not_wanted_is_sold(desk, tmp_path: Path, capsys):
    run, path = desk
    words = ["predict", str(run), f"data.path={path}", "--out", str(tmp_path / "s.csv"), "--capital", "50000"]
    program.main([*words, "--orders", str(tmp_path / "orders.csv")])
    first = pd.read_csv(tmp_path / "orders.csv")
    assert list(first) == ["time", "symbol", "price", "weight", "held", "target", "order"]
    idle = next(name for name in (f"S{i:04d}" for i in range(SYMBOLS)) if name not in set(first["symbol"]))
    held = first[["symbol", "target"]].rename(columns={"target": "shares"})
    held.loc[len(held)] = [idle, 7]
    held.to_csv(tmp_path / "held.csv", index=False)
    program.main([*words, "--orders", str(tmp_path / "again.csv"), "--held", str(tmp_path / "held.csv")])
    again = pd.read_csv(tmp_path / "again.csv").set_index("symbol")
    assert again.loc[idle, "order"] == -7 and again.loc[idle, "target"] == 0
    assert (again.drop(index=idle)["order"] == 0).all() and (first["target"].abs() * first["price"]).sum() <= 50_000
    capsys.readouterr()


def test_live_gives_the_orders_of_the_batch(desk, tmp_path: Path, capsys):
    run, path = desk
    table = pd.read_csv(path)
    times = sorted(table["time"].unique())
    table[table["time"] < times[-70]].to_csv(tmp_path / "history.csv", index=False)
    table[table["time"] >= times[-70]].sort_values("time").to_csv(tmp_path / "feed.csv", index=False)
    words = ["--capital", "50000", "--orders"]
    feed = ["--bars", str(tmp_path / "feed.csv")]
    program.main(["live", str(run), f"data.path={tmp_path / 'history.csv'}", *feed, *words, str(tmp_path / "live.csv")])
    program.main(["predict", str(run), f"data.path={path}", "--out", str(tmp_path / "s.csv"), *words,
                  str(tmp_path / "batch.csv")])  # fmt: skip
    live, batch = (pd.read_csv(tmp_path / f"{name}.csv").set_index("symbol").sort_index() for name in ("live", "batch"))
    assert list(live.index) == list(batch.index) and len(live) >= 4
    np.testing.assert_allclose(live["weight"], batch["weight"], atol=1e-12)
    np.testing.assert_array_equal(live["target"], batch["target"])
    capsys.readouterr()


def test_orders_of_a_run_that_compares_no_symbols_are_of_all_of_them(trained, files, tmp_path: Path, capsys):
    """Each symbol of a bar is a line of its own, and orders are those of the whole bar."""
    words = ["--capital", "1e6", "--orders"]
    (tmp_path / "late.csv").write_text("".join(sorted_by_time(files["late"])))
    run = trained()
    program.main(["live", str(run), f"data.path={files['early']}", "--bars", str(tmp_path / "late.csv"), *words,
                  str(tmp_path / "live.csv")])  # fmt: skip
    program.main(["predict", str(run), f"data.path={files['all']}", "--out", str(tmp_path / "s.csv"), *words,
                  str(tmp_path / "batch.csv")])  # fmt: skip
    live, batch = (pd.read_csv(tmp_path / f"{name}.csv").set_index("symbol").sort_index() for name in ("live", "batch"))
    pd.testing.assert_frame_equal(live, batch, rtol=1e-9)
    capsys.readouterr()


def sorted_by_time(path: Path) -> list[str]:
    head, *rows = path.read_text().splitlines(keepends=True)
    return [head, *sorted(rows)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,shares\nA,1\n", "has no columns symbol and shares"),
        ("symbol,shares\nA,x\n", "line 2: holds no symbol and number of shares"),
        ("symbol,shares\nA,1\nA,2\n", "line 3: A is there twice"),
        (None, "is not there"),
    ],
)
def test_mistakes_in_what_is_held_end_in_one_line(tmp_path: Path, text: str | None, words: str):
    path = tmp_path / "held.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=f"--held .*{words}"):
        _shares(path)


def test_settings_without_effect_are_refused(desk, tmp_path: Path):
    run, path = desk
    with pytest.raises(ConfigError, match="--held: goes with --orders FILE"):
        program._run_verb("predict", [str(run), f"data.path={path}", "--held", "x.csv"])
    with pytest.raises(ConfigError, match=r"--orders .*\.txt: must end in \.csv"):
        program._run_verb("predict", [str(run), f"data.path={path}", "--orders", "x.txt"])
    served = serve(run)
    with pytest.raises(ConfigError, match="--capital 0: must be a number above 0"):
        desk_of(served, capital=0.0)
    (tmp_path / "held.csv").write_text("symbol,shares\nGONE,5\n")
    with pytest.raises(DataError, match="--held: GONE has no bar"):
        predict(served, source.load(str(path)), desk=desk_of(served, tmp_path / "held.csv"))
