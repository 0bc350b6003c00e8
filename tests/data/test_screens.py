"""What is looked at once for all rows, or all symbols, finds what looking at each does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.data import files, plausible, synthetic
from barwise.data.readers import series
from barwise.errors import DataError


@pytest.mark.parametrize("seed", range(3))
def test_what_is_passed_over_as_calm_has_no_doubt(seed: int, monkeypatch):
    random = np.random.default_rng(seed)
    bars = []
    for b in synthetic.load(n_symbols=30, n_bars=120, seed=seed).bars:
        columns = {name: getattr(b, name).copy() for name in ("open", "high", "low", "close")}
        name, row = random.choice(["open", "high", "low", "close"]), int(random.integers(1, 119))
        columns[name][row] *= random.choice([0.2, 0.49, 0.55, 1.0, 1.7, 1.81, 2.05, 6.0])
        columns["high"] = np.maximum.reduce(list(columns.values()))
        columns["low"] = np.minimum.reduce(list(columns.values()))
        if random.random() < 0.3:
            for values in (*columns.values(), b.volume):
                values[40 : 40 + random.integers(8, 13)] = values[40]
        bars.append(type(b)(b.symbol, b.time, **columns, volume=b.volume))
    found = plausible.plausible(bars, "warn", False)[1]
    monkeypatch.setattr(plausible, "_calm", lambda bars: False)
    assert plausible.plausible(bars, "warn", False)[1] == found and found


@pytest.mark.parametrize("fault", [None, "price", "time", "infinite", "no volume of one"])
def test_rows_of_many_symbols_are_checked_as_each_symbols_are(fault: str | None, tmp_path, monkeypatch):
    tables = [
        pd.DataFrame({"time": b.time, "symbol": b.symbol, "open": b.open, "high": b.high, "low": b.low,
                      "close": b.close, "volume": b.volume, "spread": 1.0})
        for b in synthetic.load(n_symbols=4, n_bars=30).bars
    ]  # fmt: skip
    if fault == "no volume of one":
        tables[1]["volume"] = np.nan
    table = pd.concat(tables).sort_values("time", kind="stable")
    if fault == "price":
        table.iloc[17, 5] = -1.0
    elif fault == "time":
        table.iloc[21, 0] = table.iloc[17, 0]
    elif fault == "infinite":
        table.iloc[5, 7] = np.inf
    path = tmp_path / "b.parquet"
    table.to_parquet(path, index=False)

    def told() -> object:
        try:
            market = files.load(str(path))
        except DataError as error:
            return str(error)
        return [(b.symbol, b.time.tolist(), b.close.tolist(), b.volume.tolist()) for b in market.bars]

    at_once = told()
    whole = series._checked
    monkeypatch.setattr(  # something is wrong somewhere: each symbol is looked at
        series, "_checked", lambda rows, some, how: [None] if isinstance(some, slice) else whole(rows, some, how)
    )
    assert repr(told()) == repr(at_once)
    assert isinstance(at_once, str) == (fault in ("price", "infinite", "time"))
