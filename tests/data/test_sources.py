"""The sample, synthetic markets, Yahoo, and what is told of any market."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from barwise.data import sample, synthetic, yfinance
from barwise.data.bars import Bars, Market
from barwise.data.calendar import bar_size, periods_per_year
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.errors import ConfigError, DataError


def test_the_sample_is_five_real_adjusted_stocks():
    market = check_market(sample.load())
    assert market.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert [len(b) for b in market.bars] == [3270, 196, 2148, 3270, 3270]
    assert "survivors" in market.facts["note"] and market.facts["adjusted"]
    assert periods_per_year(market.bars[0].time) == 252.0


def test_a_split_in_the_sample_is_no_move_and_the_real_fall_stays():
    raw = sample.raw().query("symbol == 'AAPL'").set_index("date")
    bars = sample.load(symbols=["AAPL"]).bars[0]
    move = pd.Series(bars.close, bars.time).pct_change()
    assert raw["close"].pct_change()["2005-02-28"] < -0.45 and abs(move["2005-02-28"]) < 0.05
    assert move["2000-09-29"] == pytest.approx(-0.519, abs=0.001)
    np.testing.assert_allclose(bars.close, raw["adj_close"])
    np.testing.assert_allclose(bars.close * bars.volume, raw["close"] * raw["volume"])


def test_the_sample_is_bounded_by_symbols_and_dates():
    market = sample.load(symbols=["IBM"], start="2005-01-03", end="2005-01-31")
    assert market.symbols == ("IBM",) and len(market.bars[0]) == 20


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"symbols": ["TSLA"]}, r"data\.symbols=TSLA: is not in the sample; it has AAPL, FB"),
        ({"start": "soon"}, r"data\.start=soon: must be a date"),
        ({"start": "2020-01-01"}, "no bars from 2020-01-01"),
    ],
)
def test_what_the_sample_does_not_have_is_named(settings, said):
    with pytest.raises((ConfigError, DataError), match=said):
        sample.load(**settings)


def tradable(bars: Bars, execution: str) -> np.ndarray:
    price = bars.open if execution == "next_open" else bars.close
    ret = np.full(len(bars), np.nan)
    ret[:-2] = price[2:] / price[1:-1] - 1
    return ret


def correlation(ic: float, pattern: str, execution: str) -> tuple[float, float, float]:
    """Of pattern, 5-bar return and volume ratio with the tradable return: means over 4 seeds of 10 symbols."""
    seen = []
    for seed in range(4):
        for bars in synthetic.load(10, 1500, seed, ic, pattern, execution).bars:
            past = np.full(len(bars), np.nan)
            past[5:] = bars.close[5:] / bars.close[:-5] - 1
            ratio = bars.volume / pd.Series(bars.volume).rolling(20).mean()
            columns = {"z": synthetic.pattern_of(bars, pattern), "r5": past, "ratio": ratio}
            seen.append(pd.DataFrame(columns).corrwith(pd.Series(tradable(bars, execution))).to_numpy())
    z, r5, ratio = np.mean(seen, axis=0)
    return float(z), float(r5), float(ratio)


@pytest.mark.parametrize("execution", synthetic.EXECUTIONS)
@pytest.mark.parametrize("pattern", synthetic.PATTERNS)
@pytest.mark.parametrize("ic", [0.0, 0.1, 0.4])
def test_the_tradable_return_has_the_planted_correlation(ic, pattern, execution):
    z, r5, ratio = correlation(ic, pattern, execution)
    noise = 4 / np.sqrt(4 * 10 * 1500)  # four standard errors
    assert z == pytest.approx(ic, abs=noise)
    assert r5 == pytest.approx(-ic if pattern == "linear" else 0.0, abs=noise)
    assert ratio == pytest.approx(0.0, abs=noise)


def test_without_a_pattern_no_step_of_the_price_tells_of_a_later_one():
    for bars in synthetic.load(n_symbols=3, n_bars=20_000, seed=5).bars:
        steps = np.diff(np.log(np.column_stack([bars.open, bars.close]).ravel()))
        for lag in range(1, 6):
            assert abs(np.corrcoef(steps[:-lag], steps[lag:])[0, 1]) < 4 / np.sqrt(len(steps))
        assert tradable(bars, "next_open")[:-2].std() == pytest.approx(0.02, rel=0.03)


def test_a_synthetic_market_is_bars_like_any_other():
    market = check_market(synthetic.load(n_symbols=3, n_bars=300, ic=0.1, pattern="nonlinear"))
    assert [len(b) for b in market.bars] == [300, 300, 300]
    assert np.is_busday(market.bars[0].time.astype("datetime64[D]")).all()
    assert market.facts["ic"] == 0.1 and market.facts["pattern"] == "nonlinear"
    assert data_hash(market) == data_hash(synthetic.load(n_symbols=3, n_bars=300, ic=0.1, pattern="nonlinear"))
    assert data_hash(market) != data_hash(synthetic.load(n_symbols=3, n_bars=300, seed=1, ic=0.1, pattern="nonlinear"))


@pytest.mark.parametrize(
    "settings",
    [
        {"n_symbols": 0},
        {"n_bars": 3},
        {"n_bars": 2.5},
        {"ic": "strong"},
        {"seed": -1},
        {"ic": 0.9},
        {"pattern": "chaos"},
        {"execution": "now"},
        {"volatility": 0},
    ],
)
def test_a_synthetic_setting_that_cannot_be_is_named(settings):
    (name, value), *_ = settings.items()
    with pytest.raises(ConfigError, match=rf"^data\.{name}={value}: must [^\n]*$"):
        synthetic.load(**settings)


def answer(index: pd.DatetimeIndex, tickers: list[str], empty: str | None = None) -> pd.DataFrame:
    """A table as yfinance 1.7's download(group_by='ticker') makes it; built here, since tests have no network."""
    fields = ["Open", "High", "Low", "Close", "Volume"]
    columns = pd.MultiIndex.from_product([tickers, fields], names=["Ticker", "Price"])
    table = pd.DataFrame([[10.0, 12.0, 9.0, 11.0, 100] * len(tickers)] * len(index), index=index, columns=columns)
    if empty:
        table[empty] = np.nan
    return table


def test_what_yahoo_answered_once(monkeypatch, tmp_path):
    """Yahoo's answer of 2022-06-28 for AAPL, five days, read by yfinance itself: only the network is replaced.

    Somebody recorded it in public code; the numbers are Yahoo's.
    """
    import yfinance as package
    from yfinance.data import YfData

    text = (Path(__file__).parent / "yahoo_aapl_2022-06-28.json").read_text(encoding="utf-8")
    asked = []

    def get(self, url, params=None, timeout=30):
        asked.append((url, params))
        return SimpleNamespace(text=text, json=lambda: json.loads(text))

    monkeypatch.setattr(YfData, "get", get)
    monkeypatch.setattr(YfData, "cache_get", get)
    package.set_tz_cache_location(str(tmp_path))
    (bars,) = check_market(yfinance.load(["AAPL"], start="2022-06-22", end="2022-06-28")).bars
    told = json.loads(text)["chart"]["result"][0]["indicators"]["quote"][0]
    assert [str(t)[:10] for t in bars.time] == ["2022-06-22", "2022-06-23", "2022-06-24", "2022-06-27"]
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(bars, name), told[name][:4])
    assert asked[-1][0].endswith("/v8/finance/chart/AAPL") and asked[-1][1]["interval"] == "1d"


def test_yahoo_bars_are_adjusted_and_ordered_by_symbol(monkeypatch):
    asked = {}
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], name="Date")

    def download(tickers, **settings):
        asked.update(settings)
        table = answer(days, tickers)
        table.loc["2024-01-03", "SPY"] = np.nan  # a day on which the other one traded
        return table

    monkeypatch.setattr("yfinance.download", download)
    market = check_market(yfinance.load(["SPY", "EWJ"], start="2024-01-02"))
    assert market.symbols == ("EWJ", "SPY") and [len(b) for b in market.bars] == [3, 2]
    assert asked["auto_adjust"] is True and asked["start"] == "2024-01-02" and asked["interval"] == "1d"
    assert market.facts["adjusted"] and "survivorship" in market.facts["note"]


def test_yahoo_intraday_times_become_utc(monkeypatch):
    index = pd.date_range("2024-01-02 09:30", periods=3, freq="h", tz="America/New_York", name="Datetime")
    monkeypatch.setattr("yfinance.download", lambda tickers, **_: answer(index, tickers))
    assert yfinance.load("SPY", interval="1h").bars[0].time[0] == np.datetime64("2024-01-02T14:30")


@pytest.mark.parametrize("kind", ["empty", "absent", "nothing"])
def test_a_ticker_that_yahoo_does_not_have_is_named(monkeypatch, kind):
    days = pd.DatetimeIndex(["2024-01-02"])
    table = {"empty": answer(days, ["SPY", "NOPE"], "NOPE"), "absent": answer(days, ["SPY"]), "nothing": None}[kind]
    monkeypatch.setattr("yfinance.download", lambda tickers, **_: table)
    with pytest.raises(DataError, match=r"^data\.tickers=NOPE: Yahoo has no bars"):
        yfinance.load(["SPY", "NOPE"] if kind != "nothing" else ["NOPE"])


def test_a_download_that_fails_is_one_line(monkeypatch):

    def download(*_, **__):
        raise OSError("no\nnetwork")

    monkeypatch.setattr("yfinance.download", download)
    with pytest.raises(DataError, match=r"the download failed: no network; try again later$"):
        yfinance.load(["SPY"])


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(ConfigError, match=r"pip install 'barwise\[yfinance\]'"):
        yfinance.load(["SPY"])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pd.bdate_range("2010-01-01", "2020-01-01").delete(slice(0, None, 29)), 252),
        (pd.date_range("2010-01-01", "2020-01-01", freq="W"), 52),
        (pd.date_range("2010-01-01", "2020-01-01", freq="MS"), 12),
        (pd.date_range("2020-01-01", "2022-01-01", freq="D"), 365.2425),
        (pd.date_range("2020-01-01", "2020-03-01", freq="h"), 24 * 365.2425),
    ],
)
def test_periods_per_year_come_from_the_times_and_snap(times, expected):
    assert periods_per_year(times.to_numpy("datetime64[ns]")) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("times", "size"),
    [
        (pd.bdate_range("2010-01-01", "2020-01-01").delete(slice(0, None, 29)), "86400s"),
        (pd.date_range("2010-01-01", "2020-01-01", freq="W"), "604800s"),
        (pd.date_range("2010-01-01", "2020-01-01", freq="BME"), "month"),
        (pd.date_range("2020-01-01 09:30", "2020-03-01", freq="5min")[:17_000][np.arange(17_000) % 288 < 78], "300s"),
    ],
)
@pytest.mark.parametrize("kept", [1.0, 0.9, 0.31])
def test_the_size_of_a_bar_does_not_change_with_the_stretch_of_time(times, size, kept):
    assert bar_size(times.to_numpy("datetime64[ns]")[: int(len(times) * kept)]) == size


def test_the_hash_sees_every_value():
    market = synthetic.load(n_symbols=1, n_bars=50)
    bars = market.bars[0]
    changed = [
        replace(bars, close=np.nextafter(bars.close, 0)),
        replace(bars, time=bars.time + 1),
        replace(bars, symbol="T"),
        replace(bars, extra={"bid": bars.close}),
    ]
    hashes = {data_hash(Market((b,))) for b in [bars, *changed]}
    assert len(hashes) == 5 and all(len(h) == 64 for h in hashes)


def test_a_market_without_bars_or_with_a_symbol_twice_is_refused():
    bars = synthetic.load(n_symbols=1, n_bars=50).bars[0]
    with pytest.raises(DataError, match="there are no bars"):
        check_market(Market(()))
    with pytest.raises(DataError, match="S0000 comes twice"):
        check_market(Market((bars, bars)))
    with pytest.raises(DataError, match="S0000 row 8: close is not a finite number"):
        check_market(Market((replace(bars, close=np.where(np.arange(50) == 7, np.nan, bars.close)),)))
