"""A run with a calendar, served: live bars get their session from the run, and scores are those of the batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise import __main__ as program
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.data import files as source
from barwise.data.bars import Bars, Market
from barwise.data.contracts import priced
from barwise.errors import ConfigError, DataError
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from barwise.safety.files import read_json
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.orders import Desk
from barwise.serving.paper import Paper
from barwise.serving.predict import predict
from tests.data.trading import bars_at, session_bars
from tests.features.test_every import csv

PRICES = ("open", "high", "low", "close", "volume")


def trained(folder, bars, *more: str, source: str | None = None):
    (folder / "bars.csv").write_text(csv(bars) if source is None else source)
    words = [
        "experiment=smoke", "data=files", "~data.n_symbols", "~data.n_bars", f"data.path={folder / 'bars.csv'}",
        "data.timezone=UTC", "strategy.n_estimators=5", "baseline=null", *more,
    ]  # fmt: skip
    config = compose(words)
    out = RunDirectory(folder / "run")
    (out.path / ".hydra").mkdir(parents=True)
    from omegaconf import OmegaConf

    OmegaConf.save(config, out.path / ".hydra" / "config.yaml", resolve=True)
    out.start()
    run(parts_of(config), out, Progress(quiet=True))
    out.update(status="done")
    return out.path


def test_live_bars_have_the_sessions_of_the_run(tmp_path):
    bars = [session_bars("XNYS", "2023-10-16", "2023-12-08", 30, name, s) for s, name in enumerate(("A", "B"))]
    past = [b.take(slice(0, 13 * 26)) for b in bars]  # to a day before Thanksgiving
    path = trained(tmp_path, past, "features=[session,gap]", "data.calendar=XNYS", "data.session=regular",
                   "labels.within_session=true", "portfolio.flat_overnight=true")  # fmt: skip
    served = serve(path)
    batch = predict(served, Market(tuple(bars)), seen_too=True)
    session = Live(served)
    session.warm(Market(tuple(past)))
    rows = range(13 * 26, len(bars[0]))
    assert any(str(t).startswith("2023-11-24") for t in bars[0].time[list(rows)])  # the half day
    early = session.step(bars[0].time[13 * 26] - np.timedelta64(1, "h"), {"A": prices(bars[0], 0)})
    assert np.isnan(early["A"].score) and early["A"].signal == 0.0  # before hours: let go of
    paper = Paper.of(path, tmp_path / "paper")
    paper.note(session.taken(early), early)  # no bar of the run's
    for i in rows:
        answers = session.step(bars[0].time[i], {b.symbol: prices(b, i) for b in bars})
        paper.note(session.taken(answers), answers)
        for name, answer in answers.items():
            row = np.flatnonzero((batch.symbol == name) & (batch.time == bars[0].time[i]))
            np.testing.assert_allclose(answer.score, batch.score[row], atol=1e-6)
    late = served.beside(Market(tuple(b.take(slice(13 * 26, None)) for b in bars)))
    new = batch.time >= late.bars[0].time[0]
    symbol = np.array([late.symbols.index(name) for name in batch.symbol[new]])
    signals = Signals(symbol, batch.time[new], batch.signal[new], batch.score[new])
    expected = paper.backtest.run(Grid.build(late.bars), signals, paper.per_year)
    assert expected.n_trades > 5
    np.testing.assert_allclose(paper.ledger()[1].net, expected.net, rtol=0, atol=1e-12)  # flat over night, as in batch


def prices(bars, i: int) -> dict[str, float]:
    return {name: float(getattr(bars, name)[i]) for name in PRICES}


def futures() -> list[Bars]:
    """Bars of two futures by the day, one in euros with four rolls of a tenth; the other has no rate."""
    days = np.datetime64("2021-01-04", "ns") + np.arange(420) * np.timedelta64(1, "D")
    euro, dollar = (bars_at(days.astype("datetime64[ns]"), name, s) for s, name in enumerate(("E", "U")))
    number = np.arange(420) // 90
    later = {name: getattr(euro, name) * 1.1**number for name in PRICES[:4]}
    words = tuple(f"E{k}" for k in range(5))
    rate = 1.1 + 0.002 * np.random.default_rng(3).normal(size=420).cumsum()
    rate[400:405] = np.nan
    euro = replace(euro, **later, extra={"EURUSD": rate}, groups={"contract": number.astype(np.int32)},
                   group_names={"contract": words})  # fmt: skip
    return [euro, dollar]


def futures_csv(path: Path, bars: list[Bars], rows: slice) -> Path:
    names = bars[0].group_names["contract"]
    lines = ["time,symbol,open,high,low,close,volume,EURUSD,contract"]
    for i in range(*rows.indices(len(bars[0]))):
        for b in bars:
            own = f"{float(b.extra['EURUSD'][i])!r},{names[b.groups['contract'][i]]}" if b.extra else ","
            cells = ",".join(repr(float(getattr(b, name)[i])) for name in PRICES)
            lines.append(f"{b.time[i].astype('datetime64[D]')},{b.symbol},{cells},{own.replace('nan', '')}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_run_of_contracts_is_served_live_as_in_batch(tmp_path, capsys, monkeypatch):
    """Rolls by a column of words, and a rate that one of the symbols has; restarted between two bars."""
    bars = futures()
    early, late, whole = (
        futures_csv(tmp_path / f"{name}.csv", bars, rows)
        for name, rows in (("bars", slice(0, 340)), ("late", slice(340, 420)), ("all", slice(0, 420)))
    )
    contracts = tmp_path / "contracts.csv"
    contracts.write_text("symbol,multiplier,tick,currency,fx,commission\nE,50,0.01,EUR,EURUSD,1\nU,20,,USD,,\n")
    text = early.read_text()
    path = trained(tmp_path, bars, f"data.contracts={contracts}", "features=technical", "importance=none",
                   source=text)  # fmt: skip
    assert read_json(path / "run.json")["data"]["rolls"] == 3
    moved = contracts.rename(tmp_path / "moved.csv")
    with pytest.raises(ConfigError, match="is not there; --contracts FILE names"):
        Live(serve(path))
    words = ["live", str(path), "--bars", str(late), "--contracts", str(moved), "--state", str(tmp_path / "state")]
    paper = ["--paper", str(tmp_path / "paper")]
    program.main([*words, *paper, f"data.path={early}", f"data.contracts={moved}"])
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    served = serve(path)
    market = priced(source.load(str(whole), contracts=str(moved)), moved)
    batch = predict(served, market, seen_too=True)
    expected = {(s, str(t)[:10]): x for s, t, x in zip(batch.symbol, batch.time, batch.score, strict=True)}
    assert len(said) == 160
    np.testing.assert_allclose([row["score"] for row in said],
                               [expected[row["symbol"], row["time"]] for row in said], atol=1e-6)  # fmt: skip
    book = Paper.of(path, tmp_path / "paper").ledger()[0]
    own = next(b for b in market.bars if b.symbol == "E")
    for name in ("contract_rolls", "contract_tick", "contract_units"):
        np.testing.assert_allclose(book.column(name)[:, 0], own.extra[name][340:], rtol=1e-9)
    np.testing.assert_allclose(book.close[:, 0], own.close[340:], rtol=1e-9)
    last = Live(served, moved)  # word for word, without the state
    with pytest.raises(DataError, match="has no row of X"):
        last.step("2022-01-01", {"X": {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}})
    with pytest.raises(ConfigError, match="give these bars a file of contracts"):
        predict(served, Market(tuple(bars)), seen_too=True)


def test_orders_of_contracts_are_whole_contracts(tmp_path):
    one = futures()[0]
    path = tmp_path / "contracts.csv"
    path.write_text("symbol,multiplier\nE,50\n")
    own = priced(Market((replace(one, extra={}),)), path).bars[0]
    backtest = Backtest(capital=1e6)
    desk = Desk(backtest, 252.0, {})
    rows = desk._listed(Grid.build([own]), 419, np.array([0.5]))
    worth = 50 * one.close[419]
    assert rows["price"][0] == pytest.approx(worth) and rows["target"][0] == np.trunc(5e5 / worth)
