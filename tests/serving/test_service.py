"""Live as a service: killed and restarted, fed with bad ticks, given a newer model, with a ledger on paper beside."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import barwise
from barwise import __main__ as program
from barwise.backtest.grid import Grid, Signals
from barwise.console.stopping import _Stopped
from barwise.data.bars import Market
from barwise.data.files import load as read
from barwise.errors import ConfigError
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.paper import Paper
from barwise.serving.predict import predict
from barwise.serving.refit import refit
from barwise.serving.service import Service
from barwise.serving.tail import Line, by_time, lines_of
from tests.conftest import ROOT
from tests.serving.conftest import BARS, EARLY

HEADER = "time,symbol,open,high,low,close,volume\n"


@pytest.fixture(scope="module")
def feed(files, tmp_path_factory) -> tuple[Path, list[str]]:
    """The late bars of both symbols in the order of time, as a file and as its rows."""
    rows = files["late"].read_text().splitlines(keepends=True)[1:]
    rows.sort(key=lambda line: line.split(",")[0])
    path = tmp_path_factory.mktemp("feed") / "feed.csv"
    path.write_text(HEADER + "".join(rows))
    return path, rows


@pytest.fixture
def handlers():
    """Signals' handlers, put back at the end."""
    with ExitStack() as stack:
        yield stack


def answers(text: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Score and signal by symbol and time; a bar that is answered twice is answered alike."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for line in text.splitlines():
        row = json.loads(line)
        key, value = (row["symbol"], row["time"]), (row["score"], row["signal"])
        assert found.setdefault(key, value) == value
    return found


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_restarted_it_says_the_same(
    kills, trained, files, feed, tmp_path, capsys, handlers, monkeypatch
):
    run, (path, rows) = trained(), feed
    begin = ["live", str(run), f"data.path={files['early']}", "--bars", str(path)]
    program.main(begin)
    whole = answers(capsys.readouterr().out)
    assert len(whole) == len(rows)
    state, paper, seen, follow = tmp_path / "state", tmp_path / "paper", "", ["--follow"]
    inside = threading.Event()

    def end(number, _):
        if inside.is_set():  # before the service listens itself
            raise _Stopped(number)

    for kind in (signal.SIGTERM, signal.SIGINT):
        handlers.callback(signal.signal, kind, signal.signal(kind, end))
    serving = Service.run
    chance, killed = random.Random(0), 0
    while True:
        done, number = threading.Event(), (signal.SIGTERM, signal.SIGINT)[killed % 2]
        last = killed == kills

        def kill(number=number, done=done, last=last):
            waited = last or done.wait(chance.uniform(0.0, 0.5))
            if not waited and inside.is_set():  # in a bar, in a save, before the first
                os.kill(os.getpid(), number)

        killer = threading.Thread(target=kill)
        monkeypatch.setattr(Service, "run", lambda self, groups, k=killer: (k.start(), serving(self, groups)))
        words = ["live", str(run), *([] if state.exists() else begin[2:3]), *begin[3:]]
        try:
            inside.set()
            program.main([*words, "--state", str(state), "--paper", str(paper), *follow[: not last]])
        except (SystemExit, KeyboardInterrupt):
            pass
        finally:
            inside.clear()
            done.set()
        seen += capsys.readouterr().out
        killer.join()
        if last:
            break
        killed += 1
    assert answers(seen) == whole
    noted = [json.loads(line) for line in (paper / "bars.jsonl").read_text().splitlines()]
    assert len(noted) == len({(row["symbol"], row["time"]) for row in noted}) == len(rows)


@pytest.mark.slow
def test_a_process_killed_twenty_times_says_the_same(trained, files, feed, tmp_path):
    run, (path, _) = trained(), feed
    command = [sys.executable, "-m", "barwise", "live", str(run), "--bars", str(path)]
    history = f"data.path={files['early']}"
    once = subprocess.run([*command, history], capture_output=True, text=True, check=True, cwd=ROOT)
    whole, seen, state = answers(once.stdout), "", tmp_path / "state"
    slow = tmp_path / "slow.csv"  # grows while it is read, so that every kill finds something to do
    chance, lines = random.Random(1), path.read_text().splitlines(keepends=True)
    for i in range(21):
        slow.write_text("".join(lines[: max(2, len(lines) * (i + 1) // 21)]))
        words = ["live", str(run), *([] if state.exists() else [history]), "--bars", str(slow), "--state", str(state)]
        follow = ["--follow"] if i < 20 else []
        child = subprocess.Popen(
            [sys.executable, "-m", "barwise", *words, *follow], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        if i < 20:
            assert child.stdout is not None
            seen += child.stdout.readline() if i == 0 else ""  # up and running
            time.sleep(chance.uniform(0.0, 4.0))
            child.send_signal(signal.SIGTERM)
        seen += child.communicate()[0]
    assert answers(seen) == whole


def test_a_bad_tick_is_skipped_with_an_alert_and_the_service_goes_on(trained, files, feed, capsys, monkeypatch):
    run, rows = trained(), feed[1]
    bad = [
        rows[0].replace(",", ",,", 1),  # a cell too many
        ",".join([*rows[2].split(",")[:2], "1,2,3,1,1\n"]),  # a high below the low
        "2001-09-99," + rows[2].split(",", 1)[1],
        rows[1],  # once more
        ",".join([*rows[2].split(",")[:3], "x", *rows[2].split(",")[4:]]),
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO(HEADER + "".join([*rows[:2], *bad, *rows[2:20]])))
    program.main(["live", str(run), f"data.path={files['early']}"])
    out, err = capsys.readouterr()
    assert len(answers(out)) == 20
    alerts = [line for line in err.splitlines() if "alert: standard input line" in line]
    assert len(alerts) == len(bad) and all(line.endswith("; skipped") for line in alerts)


def test_a_bad_tick_of_one_symbol_takes_no_others_bar_with_it(trained, files, feed, capsys, monkeypatch):
    run, rows = trained("signals=rank"), feed[1]
    broken = ",".join([*rows[2].split(",")[:2], "1,2,3,1,1\n"])
    monkeypatch.setattr("sys.stdin", io.StringIO(HEADER + "".join([*rows[:2], broken, *rows[3:6]])))
    program.main(["live", str(run), f"data.path={files['early']}"])
    out, err = capsys.readouterr()
    assert len(answers(out)) == 5 and err.count("alert") == 1


def test_a_bar_of_all_symbols_is_answered_when_its_last_one_came():
    """Not only when the next bar begins, five minutes later."""
    lines = [Line(i, time, name, {}) for i, (time, name) in enumerate(["1A", "1B", "2A"], 1)]
    whole = {"A", "B"}.__eq__
    silent = by_time(iter([*lines[:1], None, lines[1], None, lines[2]]), True, whole)
    assert [[line.number for line in group] for group in silent] == [[1, 2], [3]]
    waiting = by_time(iter([*lines[:2], None, lines[2]]), True)
    assert [[line.number for line in group] for group in waiting] == [[1, 2], [3]]
    told = by_time(iter([None, *lines]), False)
    assert [len(group) for group in told] == [1, 1, 1]


def test_lines_that_come_late_through_a_pipe_are_waited_for(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read) as source, os.fdopen(write, "w") as feed:
        monkeypatch.setattr("sys.stdin", source)
        found = lines_of(None)
        assert next(found) == ""
        feed.write("a\n")
        feed.flush()
        assert next(line for line in found if line != "") == "a\n"
        feed.close()
        assert [line for line in found if line != ""] == []


def test_history_is_a_frame_or_a_path(trained, files, market):
    run = trained()
    frame = pd.read_csv(files["early"])
    found = [barwise.live(run, given) for given in (frame, files["early"], str(files["early"]))]
    bar = {n: float(getattr(market[0], n)[EARLY]) for n in ("open", "high", "low", "close", "volume")}
    scores = {one.update(market[0].symbol, market[0].time[EARLY], **bar).score for one in found}
    assert len(scores) == 1 and np.isfinite(scores.pop())
    with pytest.raises(ConfigError, match=r"data\.frame"):
        barwise.live(run, 5)


@pytest.mark.parametrize("strategy", ["strategy=xgboost", pytest.param("strategy=ridge", marks=pytest.mark.slow)])
def test_a_refit_takes_over_in_a_running_service_without_a_lost_bar(
    strategy, trained, files, feed, tmp_path, capsys, monkeypatch
):
    run, rows = tmp_path / "run", feed[1]
    shutil.copytree(trained(strategy), run)
    before, half = serve(run), 40

    def lines():
        yield HEADER
        yield from rows[:half]
        refit(run, lambda: read(str(files["all"])))
        yield from rows[half:80]

    monkeypatch.setattr("sys.stdin", lines())
    program.main(["live", str(run), f"data.path={files['early']}"])
    out, err = capsys.readouterr()
    said, whole = answers(out), read(str(files["all"]))
    assert len(said) == 80 and "the model was refit: the new one scores from here on" in err
    old, new = (predict(served, whole, seen_too=True) for served in (before, serve(run)))
    for served, part in ((old, rows[:half]), (new, rows[half:80])):
        for row in part:
            day, symbol = row.split(",")[0].replace("T00:00:00", ""), row.split(",")[1]
            at = np.flatnonzero((served.symbol == symbol) & (served.time == np.datetime64(day)))
            assert said[symbol, day][0] == pytest.approx(float(served.score[at][0]), abs=1e-6)


STOPPED = "exits=stops exits.window=5 exits.stop=1 costs=spread"


@pytest.mark.parametrize("words", ["", pytest.param(STOPPED, marks=pytest.mark.slow)])
def test_the_ledger_on_paper_is_the_batchs_on_the_same_bars(words, trained, files, feed, market, tmp_path, capsys):
    run = trained(*words.split())
    program.main(
        ["live", str(run), f"data.path={files['early']}", "--bars", str(feed[0]), "--paper", str(tmp_path / "paper")]
    )
    table = pq.read_table(tmp_path / "paper" / "ledger.parquet").to_pandas()
    batch = predict(serve(run), read(str(files["all"])), seen_too=True)
    bars = [b.take(slice(EARLY, BARS)) for b in market]
    late = batch.time >= bars[0].time[0]
    names = [b.symbol for b in bars]
    symbol = np.array([names.index(name) for name in batch.symbol[late]])
    rules = Paper.of(run, tmp_path / "other").backtest
    assert rules.exits is None or words
    per_year = json.loads((run / "run.json").read_text())["data"]["periods_per_year"]
    signals = Signals(symbol, batch.time[late], batch.signal[late], batch.score[late])
    expected = rules.run(Grid.build(bars), signals, per_year)
    assert np.count_nonzero(expected.turnover) > 5
    for name in ("net", "gross", "cost", "equity"):
        np.testing.assert_allclose(table[name], getattr(expected, name), rtol=0, atol=1e-12)
    trades = pd.read_csv(tmp_path / "paper" / "trades.csv")
    assert len(trades) == len(expected.held.trades(Grid.build(bars), rules.execution)["side"])


def test_a_state_of_the_model_before_the_refit_is_gone_on_from(trained, files, market, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained(), run)
    session = Live(serve(run))
    session.warm(Market(tuple(b.take(slice(0, EARLY)) for b in market)))
    session.save(tmp_path / "state")
    refit(run, lambda: read(str(files["all"])))
    found = barwise.live(run, state=tmp_path / "state")
    assert found.served.members[0].name == "refit"
    assert found.symbols.keys() == session.symbols.keys()


def test_a_refit_every_week_goes_on_when_its_source_is_away(trained, files, tmp_path, capsys, monkeypatch):
    from barwise.commands import refit as command

    run, away = tmp_path / "run", tmp_path / "bars.csv"
    shutil.copytree(trained("strategy=ridge"), run)
    shutil.copy(files["early"], away)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            away.unlink()
        if len(slept) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_LOOK", 1e9)
    monkeypatch.setattr(command.time, "sleep", sleep)
    clock = iter(np.datetime64("2024-01-01", "ns") + np.array([0, 1, 8, 9, 16, 17], "timedelta64[D]"))
    monkeypatch.setattr(command, "_now", lambda: next(clock))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        command.main([str(run), f"data.path={away}", "--every", "1W"])
    out, err = capsys.readouterr()
    assert out.count("rows from") == 1 and "next at 2024-01-08 UTC" in out and "next at 2024-01-15 UTC" in out
    assert "the last model stays" in err and slept[0] == 6 * 86_400
