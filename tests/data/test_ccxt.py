"""A crypto exchange's bars, as ccxt hands them out: pages, holes, repeats, limits, and a download that is cut off."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from barwise.data import ccxt
from barwise.data.checks import check_market
from barwise.errors import BarwiseError, DataError

HOUR = 3_600_000
FIRST = 1_577_836_800_000  # 2020-01-01
BARS = 250


def bar(i: int) -> list[float]:
    """[moment of opening, open, high, low, close, volume], as every exchange's fetch_ohlcv gives them in ccxt."""
    price = 7_000 + 10 * np.sin(i / 7)
    return [FIRST + i * HOUR, price, price + 5, price - 5, price + 1, 12.5 + i % 3]


class NetworkError(Exception):
    pass


class RateLimitExceeded(NetworkError):
    pass


class BadSymbol(Exception):
    pass


class Exchange:
    """Hourly bars of one pair with a hole of 60 bars, a bar twice, and one that is not over yet."""

    id = "fake"
    has = {"fetchOHLCV": True}  # noqa: RUF012
    timeframes = {"1h": "60", "1d": "1440"}  # noqa: RUF012
    asked: list[int] = []  # noqa: RUF012
    failures: list[Exception] = []  # noqa: RUF012
    bars: int = BARS

    def __init__(self, settings: dict[str, Any]) -> None:
        assert settings["enableRateLimit"]

    @staticmethod
    def parse_timeframe(timeframe: str) -> int:
        return {"1h": 3_600, "1d": 86_400}[timeframe]

    def milliseconds(self) -> int:
        return FIRST + self.bars * HOUR + HOUR // 2

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self.asked.append((since - FIRST) // HOUR)
        if self.failures:
            raise self.failures.pop(0)
        if symbol != "BTC/USDT":
            raise BadSymbol(f"fake does not have market symbol {symbol}")
        rows = [bar(i) for i in range(self.bars + 1) if not 120 <= i < 180]
        page = [row for row in rows if row[0] >= since][:limit]
        page = [row for row in page if row[0] < since + limit * HOUR]
        return page[:1] + page


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch, tmp_path) -> type[Exchange]:
    made = types.ModuleType("ccxt")
    made.exchanges, made.fake = ["fake", "other"], Exchange  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ccxt", made)
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(ccxt, "_PAUSE", 0.0)
    Exchange.asked, Exchange.failures, Exchange.bars = [], [], BARS
    return Exchange


def load(**how: Any):
    settings = {"exchange": "fake", "symbols": "BTC/USDT", "since": "2020-01-01", "limit": 50, **how}
    return check_market(ccxt.load(**settings))


def test_pages_are_joined_without_holes_filled_or_bars_twice(exchange):
    (bars,) = load().bars
    wanted = np.array([bar(i) for i in range(BARS) if not 120 <= i < 180])
    np.testing.assert_array_equal(bars.time.astype("datetime64[ms]").astype(np.int64), wanted[:, 0])
    np.testing.assert_array_equal(bars.close, wanted[:, 4])
    assert bars.symbol == "BTC/USDT"  # and the bar that is not over is not there


def test_what_came_is_not_asked_for_again(exchange):
    load()
    exchange.asked.clear()
    exchange.bars += 30
    (bars,) = load().bars
    assert exchange.asked == [BARS] and len(bars) == BARS - 60 + 30
    exchange.asked.clear()
    load(since="2020-01-02", until="2020-01-04")
    assert exchange.asked == []


def test_a_download_that_is_killed_goes_on(exchange):
    exchange.failures = []
    real = exchange.fetch_ohlcv

    def dies(self, symbol, timeframe, since, limit):
        if since >= FIRST + 100 * HOUR:
            raise KeyboardInterrupt
        return real(self, symbol, timeframe, since, limit)

    exchange.fetch_ohlcv = dies
    with pytest.raises(KeyboardInterrupt):
        load()
    exchange.fetch_ohlcv = real
    exchange.asked.clear()
    (bars,) = load().bars
    assert exchange.asked[0] == 100 and len(bars) == BARS - 60


def test_a_damaged_page_alone_is_asked_for_again(exchange, tmp_path):
    load()
    pages = sorted(tmp_path.rglob("*.parquet"))
    pages[1].write_bytes(b"PAR1 and no more")
    exchange.asked.clear()
    (bars,) = load().bars
    assert exchange.asked == [50] and len(bars) == BARS - 60


def test_a_limit_or_a_network_that_fails_for_a_while_is_waited_for(exchange):
    exchange.failures = [RateLimitExceeded("429"), NetworkError("timed out"), NetworkError("timed out")]
    assert len(load().bars[0]) == BARS - 60


@pytest.mark.parametrize(
    ("settings", "failures", "said"),
    [
        ({"retries": 1}, [NetworkError("name resolution")] * 2, "cannot be reached .* is there a network"),
        ({"symbols": "NO/SUCH"}, [], "fake says fake does not have market symbol NO/SUCH"),
        ({"exchange": "nowhere"}, [], "ccxt has no such exchange"),
        ({"timeframe": "7m"}, [], "data.timeframe=7m: fake has 1h, 1d"),
        ({"since": "2030-01-01"}, [], "the exchange has no bars there"),
        ({"since": None}, [], "data.since=null"),
        ({"symbols": []}, [], r"data.symbols=\[\]"),
    ],
)
def test_what_the_exchange_cannot_give_is_one_line(settings, failures, said, exchange):
    exchange.failures = list(failures)
    with pytest.raises(BarwiseError, match=said) as told:
        load(**settings)
    assert "\n" not in str(told.value)


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(BarwiseError, match=r"pip install 'barwise\[ccxt\]'"):
        ccxt.load()


def test_yahoo_without_a_network_says_so(monkeypatch):
    yfinance = pytest.importorskip("yfinance")
    from barwise.data import yfinance as source

    def download(*_: Any, **__: Any) -> None:
        raise OSError("Could not resolve host: query1.finance.yahoo.com")

    monkeypatch.setattr(yfinance, "download", download)
    with pytest.raises(DataError, match="see that this machine has a network"):
        source.load(["SPY"])
