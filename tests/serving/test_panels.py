"""Sets across symbols and extra columns, from training to serving: batch, refit, live, the universe, missing bars."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import barwise
from barwise import __main__ as program
from barwise.data import synthetic
from barwise.data.bars import Bars, Market
from barwise.data.files import load as read
from barwise.errors import ConfigError, DataError
from barwise.features.matrix import build
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.predict import predict
from barwise.serving.window import reach
from tests.serving.conftest import train_here, write_csv

N, EARLY = 420, 340
COLUMNS = ("open", "high", "low", "close", "volume")
SETS = "features=[price,cross_section]"
SHORT = ["features.price.averages=[10]", "features.price.volatilities=[10]", "features.price.positions=[20]"]


@pytest.fixture(scope="module")
def bars() -> list[Bars]:
    """Four symbols; each lacks some bars, the second most of them, the last joins late."""
    random = np.random.default_rng(1)
    found = synthetic.load(n_symbols=4, n_bars=N, ic=0.2, seed=4).bars
    rows = [
        np.flatnonzero((random.random(N) > (0.75 if i == 1 else 0.1)) & (np.arange(N) >= (150 if i == 3 else 0)))
        for i in range(4)
    ]
    return [b.take(kept) for b, kept in zip(found, rows, strict=True)]


@pytest.fixture(scope="module")
def early(bars, tmp_path_factory) -> Path:
    last = np.sort(np.unique(np.concatenate([b.time for b in bars])))[EARLY]
    return write_csv(tmp_path_factory.mktemp("early") / "bars.csv", [before(b, last) for b in bars])


@pytest.fixture(scope="module")
def run(early, tmp_path_factory) -> Path:
    return train_here(tmp_path_factory.mktemp("run"), f"data.path={early}", SETS, *SHORT)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def before(b: Bars, time: np.datetime64) -> Bars:
    return b.take(slice(0, int(np.searchsorted(b.time, time))))


def step_all(
    session: Live, bars: list[Bars], first: np.datetime64
) -> dict[tuple[str, np.datetime64], tuple[float, float]]:
    """Answers to every bar from `first` on, one time after the other."""
    found = {}
    for time in np.unique(np.concatenate([b.time[b.time >= first] for b in bars])):
        here = {b.symbol: (b, int(np.searchsorted(b.time, time))) for b in bars if time in b.time}
        given = {
            name: {c: getattr(b, c)[i] for c in COLUMNS} | {c: x[i] for c, x in b.extra.items()}
            for name, (b, i) in here.items()
        }
        for name, answer in session.step(time, given).items():
            found[name, time] = (answer.score, answer.signal)
    return found


def same_as_batch(served, bars, found, universe=None) -> None:
    batch = predict(served, Market(tuple(bars), universe=universe), seen_too=True)
    rows = {(s, t): i for i, (s, t) in enumerate(zip(batch.symbol, batch.time, strict=True))}
    places = [rows[key] for key in found]
    score, signal = np.array(list(found.values())).T
    np.testing.assert_allclose(score, batch.score[places], atol=1e-6, rtol=0)
    np.testing.assert_array_equal(signal, batch.signal[places])
    assert np.isfinite(score).sum() > 20


def test_live_equals_the_batch_when_bars_are_missing_and_symbols_join(run, bars):
    served = serve(run)
    session = Live(served)
    assert session.window is not None and session.window <= 512
    session.window = 66  # shorter than the history, long enough for the features: bars are let go of
    first = bars[0].time[300]
    session.warm(Market(tuple(before(b, first) for b in bars)))
    found = step_all(session, bars, first)
    same_as_batch(served, bars, found)
    same_rows(session, bars)
    assert len(session.symbols["S0000"].bars) < len(bars[0]) - 20


def test_a_session_goes_on_after_it_was_saved(run, bars, tmp_path):
    first, second = bars[0].time[340], bars[0].time[345]
    history = Market(tuple(before(b, first) for b in bars))
    whole = step_all(barwise.live(run, history), [before(b, bars[0].time[350]) for b in bars], first)
    session = barwise.live(run, history)
    start = step_all(session, [before(b, second) for b in bars], first)
    session.save(tmp_path / "state")
    rest = step_all(barwise.live(run, state=tmp_path / "state"), [before(b, bars[0].time[350]) for b in bars], second)
    assert start | rest == whole


def test_symbols_one_by_one_are_refused_in_one_line(run, bars):
    session = barwise.live(run, Market(tuple(before(b, bars[0].time[300]) for b in bars)))
    time, given = bars[0].time[300], {c: getattr(bars[0], c)[300] for c in COLUMNS}
    with pytest.raises(ConfigError, match=r"compares the symbols of one bar: give all of them at once, to `step`"):
        session.update("S0000", time, **given)
    session.step(time, {"S0000": given})
    with pytest.raises(DataError, match="give all of a time at once, in the order of time"):
        session.step(time, {"S0009": given})


def test_the_command_answers_when_the_cross_section_is_complete(run, bars, early, tmp_path, capsys):
    last = read(str(early)).bars
    late = [
        b.take(slice(int(np.searchsorted(b.time, e.time[-1], side="right")), None))
        for b, e in zip(bars, last, strict=True)
    ]
    lines = write_csv(tmp_path / "all.csv", late).read_text().splitlines(keepends=True)
    feed = tmp_path / "feed.csv"
    feed.write_text(lines[0] + "".join(sorted(lines[1:], key=lambda line: line.split(",")[0])))
    program.main(["live", str(run), f"data.path={early}", "--bars", str(feed)])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {(a["symbol"], np.datetime64(a["time"], "ns")): (a["score"], a["signal"]) for a in answers}
    assert len(found) == sum(map(len, late))
    same_as_batch(serve(run), bars, {k: (np.nan if s is None else s, x) for k, (s, x) in found.items()})


def test_refit_and_predict_and_a_symbol_that_is_gone_is_told(run, bars, capsys):
    program.main(["refit", str(run)])
    assert serve(run, "refit").members[0].name == "refit"
    found = predict(serve(run), Market(tuple(bars[:3])))
    assert "S0003: trained on, not among these bars, and so not in the cross-section" in found.warnings
    assert set(serve(run).features) > {"rank_5", "beta_60", "residual_60", "returns_1"}


def test_importance_is_told_of_columns_across_symbols(run):
    table = pd.read_parquet(run / "importance.parquet")
    assert {"rank_5", "beta_60"} <= set(table["feature"])


def test_only_members_are_the_cross_section_live_too(bars, tmp_path):
    path = write_csv(tmp_path / "bars.csv", bars)
    universe = tmp_path / "universe.csv"
    universe.write_text(
        "symbol,from,to\nS0000,2000-01-01,\nS0001,2000-01-01,\nS0002,2000-01-01,2001-03-01\nS0003,2000-01-01,\n"
    )
    run = train_here(made(tmp_path / "run"), f"data.path={path}", f"data.universe={universe}", SETS, *SHORT)
    served, first = serve(run), bars[0].time[330]
    whole = read(str(path), universe=str(universe))
    session = Live(served)
    session.warm(replace(whole, bars=tuple(before(b, first) for b in whole.bars)))
    found = step_all(session, list(whole.bars), first)
    inside = {k: v for k, v in found.items() if whole.universe.inside(k[0], np.array([k[1]]))[0]}
    assert len(inside) < len(found)
    same_as_batch(served, bars, inside, whole.universe)
    with pytest.raises(
        DataError, match=r"compares the members of a universe: begin with history and its data\.universe"
    ):
        Live(served).warm(Market(tuple(bars)))


def same_rows(session: Live, bars: list[Bars]) -> None:
    """The last row of features of each symbol, which a model may not look at."""
    matrix = build(bars, session.served.sets)
    places = [matrix.names.index(name) for name in session.served.features]
    for b, end in zip(matrix.bars, matrix.offsets[1:], strict=True):
        np.testing.assert_allclose(session.symbols[b.symbol].rows[-1], matrix.X[end - 1, places], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("data", [5, None, {}, {"extra": "abc"}, {"extra": {"a": 1}}])
def test_what_a_run_says_of_its_columns_is_not_trusted(run, data):
    served = serve(run)
    told = {**served.run.manifest, "data": data}
    strange = replace(served, run=SimpleNamespace(folder=run, manifest=told, config=served.run.config))
    assert strange.extra == [] and Live(strange).window == Live(served).window
    many = SimpleNamespace(manifest={"data": {"extra": list(range(10_000))}})
    assert len(replace(served, run=many).extra) == 200


@pytest.fixture(scope="module")
def vix(tmp_path_factory) -> Path:
    """A value every few days, known some time of its day."""
    days = pd.bdate_range("1999-12-01", periods=150, freq="5B")
    path = tmp_path_factory.mktemp("vix") / "vix.csv"
    pd.DataFrame({"known": days.strftime("%Y-%m-%d"), "vix": 20 + np.arange(150) % 13}).to_csv(path, index=False)
    return path


def test_context_from_a_file_trains_predicts_and_serves(bars, early, vix, tmp_path, capsys):
    words = ["features=[price,context]", "features.context.columns=[vix]", *SHORT]
    run = train_here(made(tmp_path / "run"), f"data.path={early}", f"data.context={vix}", *words)
    assert json.loads((run / "run.json").read_text())["data"]["extra"] == ["vix"]
    served = serve(run)
    assert {"vix", "vix_change_1", "vix_change_20"} <= set(served.features)
    assert reach(served.sets, served.features, served.extra) == 128 and reach(served.sets, served.features) is None
    late = str(write_csv(tmp_path / "late.csv", bars))
    program.main(["predict", str(run), f"data.path={late}", f"data.context={vix}"])
    assert len(capsys.readouterr().out.splitlines()) > 200
    with pytest.raises(SystemExit):
        program.main(["predict", str(run), f"data.path={late}"])
    assert "has no column vix" in capsys.readouterr().err
    whole = read(late, context=str(vix)).bars
    first = whole[0].time[300]
    session = barwise.live(run, Market(tuple(before(b, first) for b in whole)))
    same_as_batch(served, whole, step_all(session, list(whole), first))


def test_an_extra_column_that_is_rarely_there_is_carried_live_too(bars, tmp_path):
    """The last value lies further back than the window of bars that a live session keeps."""
    values = [np.where(np.isin(np.arange(len(b)), (0, 40)), np.arange(len(b)) + 1.0, np.nan) for b in bars]
    rare = [replace(b, extra={"eps": v}) for b, v in zip(bars, values, strict=True)]
    table = pd.concat(
        [
            pd.DataFrame({"time": b.time, "symbol": b.symbol, **{c: getattr(b, c) for c in COLUMNS}, **b.extra})
            for b in rare
        ]
    )
    table.to_csv(tmp_path / "bars.csv", index=False)
    words = ["features=[price,context]", "features.context.periods=[1]", *SHORT]
    run = train_here(made(tmp_path / "run"), f"data.path={tmp_path / 'bars.csv'}", *words)
    served, first = serve(run), rare[0].time[250]
    session = Live(served)
    assert session.window is not None and 40 + session.window < 250
    session.warm(Market(tuple(before(b, first) for b in rare)))
    same_as_batch(served, rare, step_all(session, rare, first))
    same_rows(session, rare)
