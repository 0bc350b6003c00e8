"""Prices that cannot be are named by symbol, time and size, and data.on_jump decides what becomes of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from barwise.data.bars import PRICES, Bars
from barwise.data.plausible import _doubts_of, plausible
from barwise.errors import DataError

N = 600


def market(seed: int = 0, n: int = N, freq: str = "B", symbol: str = "AAA") -> Bars:
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.015, n)))
    open_ = np.append(100.0, close[:-1]) * np.exp(draw.normal(0, 0.003, n))
    high = np.maximum(open_, close) * np.exp(np.abs(draw.normal(0, 0.005, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(draw.normal(0, 0.005, n)))
    time = pd.date_range("2015-01-01", periods=n, freq=freq).to_numpy("datetime64[ns]")
    return Bars(symbol, time, open_, high, low, close, draw.uniform(1e5, 2e5, n))


def scaled(bars: Bars, rows: slice, factor: float, columns: tuple[str, ...] = PRICES) -> Bars:
    changed = {name: getattr(bars, name).copy() for name in columns}
    for values in changed.values():
        values[rows] *= factor
    return replace(bars, **changed)


def stale(bars: Bars, first: int, count: int) -> Bars:
    changed = {name: getattr(bars, name).copy() for name in (*PRICES, "volume")}
    for values in changed.values():
        values[first : first + count] = values[first]
    return replace(bars, **changed)


def sizes() -> Bars:
    bars = market()
    weeks = pd.date_range(end="2014-12-26", periods=200, freq="7D").to_numpy("datetime64[ns]")
    return replace(bars, time=np.append(weeks, bars.time[: N - 200]))


TICKS = {
    "a whole bar": scaled(market(), slice(300, 301), 100),
    "a hundredth": scaled(market(), slice(300, 301), 0.01),
    "three bars": scaled(market(), slice(300, 303), 10),
    "a close alone": scaled(scaled(market(), slice(300, 301), 30, ("close",)), slice(300, 301), 30, ("high",)),
    "a high alone": scaled(market(), slice(300, 301), 50, ("high",)),
    "a low alone": scaled(market(), slice(300, 301), 0.02, ("low",)),
}


@pytest.mark.parametrize("name", TICKS)
def test_a_bad_tick_is_named_and_can_be_dropped(name):
    kept, warnings = plausible([TICKS[name]], "warn", splits_known=False)
    assert len(kept[0]) == N and len(warnings) == 1
    day = str(TICKS[name].time[300])[:10]
    assert warnings[0].startswith("bad ticks: AAA " + day) and "data.on_jump=drop" in warnings[0]
    dropped, said = plausible([TICKS[name]], "drop", splits_known=False)
    assert TICKS[name].time[300] not in dropped[0].time and len(dropped[0]) >= N - 3 and "left out" in said[-1]
    with pytest.raises(DataError, match="bad ticks: AAA"):
        plausible([TICKS[name]], "error", splits_known=False)


@pytest.mark.parametrize("shares", [2, 3, 4, 5, 7, 10, 20])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_an_unadjusted_split_is_named_with_its_size(shares, reverse, seed):
    bars = scaled(market(seed), slice(250, None), float(shares) if reverse else 1 / shares)
    _, (warning,) = plausible([bars], "warn", splits_known=False)
    size = f"1 for {shares}" if reverse else f"{shares} for 1"
    assert f"AAA {str(bars.time[250])[:10]}" in warning and f"split {size}" in warning
    with pytest.raises(DataError, match="split"):
        plausible([bars], "error", splits_known=False)
    kept, _ = plausible([bars, market(7, symbol="BBB")], "drop", splits_known=False)
    assert [b.symbol for b in kept] == ["BBB"]
    assert plausible([bars], "warn", splits_known=True)[1] == []


def test_a_market_that_stands_still_is_named():
    _, (warning,) = plausible([stale(market(), 100, 12)], "warn", splits_known=False)
    assert warning.startswith("identical bars in a row: AAA 12 bars from 2015-05-21")
    kept, _ = plausible([stale(market(), 100, 12)], "drop", splits_known=False)
    assert len(kept[0]) == N - 11


def test_bars_that_change_size_are_named():
    _, (warning,) = plausible([sizes()], "warn", splits_known=False)
    assert "bars that change size: AAA from 2011" in warning and "1 week, elsewhere 1 day" in warning


def test_no_volume_throughout_is_named():
    _, (warning,) = plausible([replace(market(), volume=np.zeros(N))], "warn", splits_known=False)
    assert "no volume: AAA" in warning


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("freq", ["B", "D", "h", "5min", "W", "MS"])
def test_a_plain_market_raises_no_doubt(seed, freq):
    assert plausible([market(seed, freq=freq)], "error", splits_known=False)[1] == []


def test_a_crash_is_no_tick_and_no_split():
    bars = scaled(market(), slice(300, None), 0.6)  # -40 % in a day, and it stays
    assert plausible([bars], "warn", splits_known=False)[1] == []


def test_what_a_warning_advises_does_what_it_says():
    """Each name=value in a warning is run as printed: it leaves out what is in doubt, or is taken as it stands."""
    for bars, kind in ((TICKS["a whole bar"], "tick"), (scaled(market(), slice(250, None), 0.25), "level"),
                       (stale(market(), 100, 12), "repeated")):  # fmt: skip
        _, (warning,) = plausible([bars, market(7, symbol="BBB")], "warn", splits_known=False)
        advice = re.findall(r"data\.on_jump=(\w+)", warning)
        assert advice == ["drop"], warning
        kept, _ = plausible([bars, market(7, symbol="BBB")], advice[0], splits_known=False)
        assert not any(d.kind == kind for b in kept for d in _doubts_of(b, False)) and kept[-1].symbol == "BBB"
