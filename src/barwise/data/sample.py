"""The embedded sample: five real stocks, daily, 2000 to 2013, adjusted for splits and dividends."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.errors import DataError

NOTE = "the sample's five symbols are survivors, known today to have done well; survivorship is not controlled"


def load(symbols: list[str] | None = None, start: str | None = None, end: str | None = None) -> Market:
    """AAPL, FB, GOOG, IBM and MSFT, open to close times adj_close/close, volume over it.

    `start` and `end`, as dates, bound the bars, both included. Source and terms: data/sample/PROVENANCE.md.
    """
    import pandas as pd

    with as_file(files("barwise.data") / "sample" / "stocks.parquet") as path:
        table = pd.read_parquet(path)
    table["symbol"] = table["symbol"].astype(str)
    known = sorted(table["symbol"].unique())
    for symbol in symbols or ():
        if symbol not in known:
            raise DataError(f"data.symbols: {symbol} is not in the sample; it has {', '.join(known)}")
    kept = table[table["symbol"].isin(symbols or known)]
    if start is not None:
        kept = kept[kept["date"] >= pd.Timestamp(start)]
    if end is not None:
        kept = kept[kept["date"] <= pd.Timestamp(end)]
    bars = tuple(adjusted(str(symbol), part) for symbol, part in kept.groupby("symbol", sort=True))
    return Market(bars, None, {"name": "sample", "note": NOTE, "adjusted": True})


def adjusted(symbol: str, part) -> Bars:  # type: ignore[no-untyped-def]
    """Bars of one symbol, brought to the level of its last price."""
    factor = (part["adj_close"] / part["close"]).to_numpy(np.float64)
    prices = {name: part[name].to_numpy(np.float64) * factor for name in ("open", "high", "low", "close")}
    volume = part["volume"].to_numpy(np.float64) / factor
    return Bars(symbol, part["date"].to_numpy("datetime64[ns]"), **prices, volume=volume)
