"""Live equals the batch, bar for bar, wherever it starts; a session goes on after it was saved."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import barwise
from barwise import __main__ as program
from barwise.data.bars import Bars, Market
from barwise.data.files import load as read
from barwise.errors import ConfigError, DataError
from barwise.features.matrix import build
from barwise.serving.bar import utc
from barwise.serving.live import Live
from barwise.serving.model import Served, serve
from barwise.serving.predict import predict
from barwise.serving.window import reach
from tests.conftest import ROOT
from tests.serving.conftest import BARS, EARLY

SETS = sorted({p.stem for p in (ROOT / "conf" / "features").glob("*.yaml")} - {"context"})  # test_panels.py has it
LSTM = "strategy=lstm strategy.epochs=1 strategy.lookback=5 strategy.hidden_size=8"
NETS = sorted(p.stem for p in (ROOT / "conf" / "strategy" / "net").glob("*.yaml"))
QUICK = ["strategy=xgboost signals=rank", f"{LSTM} strategy.sequence=stream"]
LONG = [
    "strategy=xgboost", "strategy=logistic",
    "strategy=lightgbm strategy.min_data_in_leaf=10", "strategy=ridge", "strategy=sklearn",
    "strategy=random_forest strategy.estimator.n_estimators=5",
    "strategy=extra_trees strategy.estimator.n_estimators=5",
    "strategy=hist_gradient_boosting strategy.estimator.max_iter=5 strategy.estimator.min_samples_leaf=20",
    *(f"{LSTM} strategy/net={name}" for name in NETS),
    *(f"{LSTM} strategy/net={name} strategy.sequence=stream" for name in NETS),
    *(f"strategy=xgboost signals={name}" for name in ("proportional", "fixed_threshold")),
]  # fmt: skip
SLOW = pytest.mark.slow
STRATEGIES = [*QUICK, *(pytest.param(name, marks=SLOW) for name in LONG)]


def steps(session: Live, bars: list[Bars], begin: int, end: int) -> dict[str, list[tuple[float, float]]]:
    """Scores and signals of the bars from `begin` to `end`, fed one time after the other."""
    found: dict[str, list[tuple[float, float]]] = {b.symbol: [] for b in bars}
    for i in range(begin, end):
        given = {b.symbol: {n: getattr(b, n)[i] for n in ("open", "high", "low", "close", "volume")} for b in bars}
        for name, answer in session.step(bars[0].time[i], given).items():
            found[name].append((answer.score, answer.signal))
    return found


def check(served: Served, bars: list[Bars], start: int, n: int = 12) -> Live:
    """Live from `start` on, after the bars before it as history, gives the batch's rows."""
    batch = predict(served, Market(tuple(b.take(slice(0, start + n)) for b in bars)), seen_too=True)
    session = Live(served)
    if start:
        session.warm(Market(tuple(b.take(slice(0, start)) for b in bars)))
    found = steps(session, bars, start, start + n)
    X = build([b.take(slice(0, start + n)) for b in bars], served.sets).X.reshape(len(bars), -1, len(served.features))
    for b, rows in zip(bars, X, strict=True):
        np.testing.assert_allclose(session.symbols[b.symbol].rows[-1], rows[-1], rtol=1e-6, atol=1e-9)
    for name, answers in found.items():
        rows = np.flatnonzero(batch.symbol == name)[start:]
        score, signal = np.array(answers).T
        np.testing.assert_allclose(score, batch.score[rows], atol=1e-6, rtol=0)
        np.testing.assert_array_equal(signal, batch.signal[rows])
    return session


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(195, BARS - 12))
def test_live_equals_the_batch_for_every_strategy_wherever_it_starts(strategy, trained, market, start):
    check(serve(trained(*strategy.split())), market, start)


def test_from_the_first_bar_on_and_through_the_warm_up(trained, market):
    session = check(serve(trained("features=[normalized]")), market, 0, 215)
    assert np.isfinite([session.symbols[b.symbol].rows[-1] for b in market]).all()


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ("all", "normalized") else SLOW) for n in SETS])
def test_live_equals_the_batch_for_every_feature_set(name, trained, market):
    """Soon after the start, and thousands of bars later, when the window has forgotten most of them."""
    from barwise.data import synthetic

    served = serve(trained(f"features=[{name}]"))
    check(served, market, 431)
    window = reach(served.sets, served.features)
    assert window is not None and window <= 2048
    bars = list(synthetic.load(n_symbols=2, n_bars=5000, seed=3).bars)
    check(served, bars, 4990, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(600, 4990), seed=st.integers(0, 99))
def test_live_equals_the_batch_on_any_long_history(name, trained, start, seed):
    from barwise.data import synthetic

    check(
        serve(trained(f"features=[{name}]")), list(synthetic.load(n_symbols=2, n_bars=5000, seed=seed).bars), start, 5
    )


def test_a_set_that_remembers_everything_keeps_everything(trained):
    served = serve(trained())
    sets = {"obv": lambda b: {"obv": np.cumsum(b.volume)}}
    assert reach(sets, ("obv",)) is None
    ranges = replace(served.members[0].ranges, features=("obv",))
    session = Live(replace(served, sets=sets, members=(replace(served.members[0], ranges=ranges),)))
    assert session.window is None


@pytest.mark.parametrize("mode", ["strategy.sequence=window", "strategy.sequence=stream"])
def test_a_session_goes_on_after_it_was_saved(mode, trained, market, tmp_path):
    run = trained(*LSTM.split(), "strategy/net=lstm", mode)
    history = Market(tuple(b.take(slice(0, 300)) for b in market))
    whole, first = barwise.live(run, history), barwise.live(run, history)
    wanted = steps(whole, market, 300, 320)
    before = steps(first, market, 300, 310)
    first.save(tmp_path / "state")
    second = barwise.live(run, state=tmp_path / "state")
    after = steps(second, market, 310, 320)
    assert {k: before[k] + after[k] for k in wanted} == wanted
    with pytest.raises(DataError, match="state of another model"):
        barwise.live(trained(), state=tmp_path / "state")
    (tmp_path / "state").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match="is no safetensors file"):
        barwise.live(run, state=tmp_path / "state")


def bar(b: Bars, i: int) -> dict[str, float]:
    return {name: float(getattr(b, name)[i]) for name in ("open", "high", "low", "close", "volume")}


def test_what_is_no_bar_is_refused_and_changes_nothing(trained, market):
    b = market[0]
    session = barwise.live(trained(), Market((b.take(slice(0, 300)),)))
    kept = session.symbols[b.symbol].bars
    good = bar(b, 300)
    for time_, change, line in (
        (b.time[299], {}, "is not later than the last"),
        (b.time[300], {"high": good["low"] / 2}, "high lies below"),
        (b.time[300], {"close": float("nan")}, "close is not a finite number"),
        (b.time[300], {"close": "x"}, "holds what is no number"),
        ("yesterday-ish", {}, "is no time; write"),
        (b.time[300], {"bid": 1.0}, "extra columns bid; so far there were none"),
    ):
        with pytest.raises(DataError, match=line):
            session.update(b.symbol, time_, **{**good, **change})
    with pytest.raises(DataError, match="has no volume"):
        session.step(b.time[300], {b.symbol: {k: v for k, v in good.items() if k != "volume"}})
    assert session.symbols[b.symbol].bars is kept
    assert np.isfinite(session.update(b.symbol, b.time[300], **good).score)


def test_a_rule_that_ranks_wants_all_symbols_at_once(trained, market):
    session = barwise.live(trained("signals=rank"))
    with pytest.raises(ConfigError, match="give all of them at once"):
        session.update("A", "2030-01-01", **bar(market[0], 0))


def test_a_bar_beyond_what_training_saw_says_so(trained, market):
    b = market[0]
    session = barwise.live(trained(), Market((b.take(slice(0, 300)),)))
    wild = bar(b, 300) | {"high": b.close[299] * 3, "close": b.close[299] * 3}
    assert "returns_1" in session.update(b.symbol, b.time[300], **wild).unusual


def test_times_of_any_zone_are_utc():
    assert utc("2026-01-31T10:30-05:00") == np.datetime64("2026-01-31T15:30")
    assert utc("2026-01-31") == np.datetime64("2026-01-31")


def test_a_bar_costs_less_than_the_batch(trained):
    """Once the history is long: the batch pays for all of it, a bar for its window."""
    from barwise.data import synthetic

    served = serve(trained("features=[normalized]"))
    bars = list(synthetic.load(n_symbols=1, n_bars=9_000, seed=5).bars)
    session = Live(served)
    session.warm(Market((bars[0].take(slice(0, 8_970)),)))
    spent = []
    for i in range(8_970, 9_000):
        begin = time.process_time()
        session.update(bars[0].symbol, bars[0].time[i], **bar(bars[0], i))
        spent.append(time.process_time() - begin)
    begin = time.process_time()
    predict(served, Market(tuple(bars)), seen_too=True, any_scale=True)
    assert np.median(spent) < time.process_time() - begin


def test_the_command_reads_lines_and_goes_on_from_its_state(trained, files, market, tmp_path, capsys, monkeypatch):
    run = trained()
    batch = predict(serve(run), read(str(files["all"])), seen_too=True)
    lines = files["late"].read_text().splitlines(keepends=True)
    rows = sorted(lines[1:], key=lambda line: line.split(",")[0])
    header, half = lines[0], len(rows) // 2
    state = str(tmp_path / "state")
    monkeypatch.setattr("sys.stdin", io.StringIO(header + "".join(rows[:half])))
    program.main(["live", str(run), f"data.path={files['early']}", "--state", state])
    (tmp_path / "more.csv").write_text(header + "".join(rows[half:]))
    program.main(
        ["live", str(run), "--state", state, "--bars", str(tmp_path / "more.csv"), "--follow", "--idle", "0.1"]
    )
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == len(rows)
    for b in market:
        mine = [a["score"] for a in answers if a["symbol"] == b.symbol]
        np.testing.assert_allclose(mine, batch.score[batch.symbol == b.symbol][EARLY:], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("time,open\n", "standard input: no column for high"),
        ("time,open,high,low,close,volume\n2030-01-01,1,1,1,1,1\n", "standard input line 2: has no symbol"),
        ("time,symbol,open,high,low,close,volume\n2030-01-01,A,1,1,x,1,1\n", "line 2: low is no number ('x')"),
        ("time,symbol,open,high,low,close,volume\n2030-01-01,A,1,1\n", "line 2: has 4 cells for 7 columns"),
        ("time,symbol,open,high,low,close,volume\n2030-01-01,A,1,1,2,1,1\n", ": A row 1: high lies below low"),
        ("{]\n", "line 1: is no JSON"),
    ],
)
def test_a_line_that_is_no_bar_is_told(text, line, trained, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(SystemExit) as stop:
        program.main(["live", str(trained()), "--strict"])
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == "" and len(err.splitlines()) == 1 and line in err
