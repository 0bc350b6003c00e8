"""The embedded sample: five real stocks, daily, 2000 to 2013, adjusted for splits and dividends."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import pandas as pd

from barwise.data.adjust import adjust
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.data.context import beside
from barwise.data.members import within
from barwise.data.selection import selected

NOTE = "the sample's five symbols are survivors, known today to have done well; survivorship is not controlled"


def load(
    symbols: list[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    universe: str | None = None,
    context: str | None = None,
) -> Market:
    """AAPL, FB, GOOG, IBM and MSFT: open to close times adj_close/close, volume over it.

    `start` and `end`, as dates, bound the bars, both included. `universe`: a file of symbol, from, to. `context`: a
    file of further columns, as `barwise.data.context.beside` takes it.
    ConfigError for a symbol or date that is none, DataError where no bar is left. Source and terms:
    data/sample/PROVENANCE.md.
    """
    every = tuple(adjust(_bars(str(symbol), part)) for symbol, part in raw().groupby("symbol", sort=True))
    bars, _ = selected(every, symbols, start, end, "the sample")
    market = Market(bars, None, {"name": "sample", "note": NOTE, "adjusted": True})
    return beside(within(market, universe), context)


def raw() -> pd.DataFrame:
    """The file as it came: symbol, date, open, high, low, close, volume (unadjusted) and adj_close."""
    with as_file(files("barwise.data") / "sample" / "stocks.parquet") as path:
        return pd.read_parquet(path).astype({"symbol": str})


def _bars(symbol: str, part: pd.DataFrame) -> Bars:
    columns = {name: part[name].to_numpy(np.float64) for name in (*COLUMNS, "adj_close")}
    extra = {"adj_close": columns.pop("adj_close")}
    return Bars(symbol, part["date"].to_numpy("datetime64[ns]"), **columns, extra=extra)
