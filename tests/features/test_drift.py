"""Start-up drift: measured against formulas whose memory is known, and the warm-up that is chosen from it."""

from __future__ import annotations

from functools import cache, partial

import bottleneck as bn
import numpy as np
import pandas as pd
import pytest

from barwise.console.progress import Progress
from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.data.durations import duration
from barwise.data.resample import Size
from barwise.experiment.run import run
from barwise.features.drift import _TOLERANCE, start_up, warmed
from barwise.features.every import Every
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.panel import build_panel
from barwise.runs.directory import RunDirectory
from tests.audit.cases import honest


@cache
def bars(n: int = 2_000, symbols: int = 2) -> tuple[Bars, ...]:
    return synthetic.load(n_symbols=symbols, n_bars=n).bars


def smoothed(b: Bars, span: int) -> dict[str, np.ndarray]:
    """An exponential average that starts at its first value: it forgets it by (1 - alpha) a bar."""
    move = pd.Series(np.diff(np.log(b.close), prepend=np.log(b.close[0])))
    return {"smooth": move.ewm(span=span, adjust=False).mean().to_numpy()}


@pytest.mark.parametrize("span", [10, 40])
def test_a_smoother_settles_when_its_formula_has_forgotten(span: int):
    found = start_up(bars(), {"mine": partial(smoothed, span=span)})
    decay = 1 - 2 / (span + 1)
    forgotten = np.log(_TOLERANCE) / np.log(decay)  # bars until a distance of one deviation is within the tolerance
    assert found.slowest == "smooth" and 0.5 * forgotten < found.bars < 2.0 * forgotten
    assert found.drift["smooth"].defined == 0 and found.drift["smooth"].at_first > 0.3
    assert found.report()["features"]["smooth"]["settled"] == found.bars


def test_a_window_is_settled_as_soon_as_it_is_full():
    found = start_up(bars(), {"price": price})
    assert found.bars == 199 and found.slowest == "ma_200" and not found.report()["features"] and not found.warnings


def test_a_running_total_never_settles_and_is_named():
    found = start_up(bars(), {"mine": lambda b: {"total": np.cumsum(b.volume)}, "price": price})
    assert found.bars == 199 and found.never == ["total"]
    assert found.warnings == ["total: depends on where history starts even 1000 bars later; live it will be another"]


def test_too_few_bars_to_tell_are_no_reason_to_warn():
    found = start_up(bars(300, 1), {"mine": lambda b: {"total": np.cumsum(b.volume)}})
    assert found.drift["total"].settled is None and not found.warnings and found.bars == 0


def test_rows_within_the_tolerance_from_the_warm_up_on():
    """Whatever the first bar, warm rows of RSI, MACD and ATR are those of the longer history, but for the tolerance."""
    matrix, found = warmed(build(bars(), {"technical": technical}), {"technical": technical})
    assert 40 < found.bars < 200 and (matrix.warmup == found.bars).all()
    whole = technical(bars()[0])
    for start in (777, 1234):
        later = technical(bars()[0].take(slice(start, None)))
        for name, values in later.items():
            distance = np.abs(values - whole[name][start:])[found.bars :]
            assert distance.max() < 2 * _TOLERANCE * np.std(whole[name][start:]), name


def test_a_symbol_without_a_warm_row_is_told_as_left_out():
    short = bars(60, 1)[0]
    given = [*bars(), Bars("SHORT", *(getattr(short, n) for n in ("time", "open", "high", "low", "close", "volume")))]
    matrix, found = warmed(build(given, {"technical": technical}), {"technical": technical})
    assert [symbol for symbol, _ in matrix.left_out] == ["SHORT"] and "60 bars, all of them" in matrix.left_out[0][1]
    panel = build_panel(matrix, honest().labels)
    assert not panel.warm[panel.symbol == 2].any() and panel.warm[panel.symbol == 0].sum() == 2_000 - found.bars


def test_run_json_has_the_table(tmp_path):
    out = RunDirectory(tmp_path)
    out.start()
    run(honest(features={"technical": technical}), out, Progress(quiet=True))
    table = out.manifest["start_up"]
    assert set(table["features"]) == {"rsi_14", "macd", "macd_signal", "macd_hist", "atr_14"}
    assert table["bars"] == max(line["settled"] for line in table["features"].values())
    assert out.manifest["rows"]["warm_up"] == 2 * table["bars"]


def test_a_window_of_larger_bars_is_given_time_to_settle():
    """200 hours are 2,400 bars of five minutes: it is settled then, and no warning is due."""
    time = np.datetime64("2024-01-01", "ns") + np.arange(30_000) * np.timedelta64(5, "m")
    close = 100 * np.exp(1e-3 * np.random.default_rng(0).standard_normal(30_000).cumsum())
    bars = Bars("A", time, close, close, close, close, np.ones(30_000))

    def mean(b: Bars) -> dict[str, np.ndarray]:
        return {"mean": bn.move_mean(b.close, min(200, len(b)), min_count=200) if len(b) >= 200 else b.close * np.nan}

    hourly = {"hours": Every("hours", mean, Size(duration("every", "1h")))}
    found = start_up([bars], hourly)
    assert not found.warnings and 2_400 <= found.bars <= 2_450
    daily = {"days": Every("days", mean, Size(duration("every", "1d")))}
    assert not start_up([bars], daily).warnings  # too few of them to say anything
