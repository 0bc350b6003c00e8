"""Bars from Yahoo Finance, adjusted, by the yfinance package (an extra; its terms of use are the user's to keep)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import pandas as pd

from barwise.console.settings import Number, checked
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.data.context import beside
from barwise.data.members import within
from barwise.data.plausible import ON_JUMP, plausible
from barwise.data.settings import choice
from barwise.errors import ConfigError, DataError, chain_of, require

_INTERVALS = ("1m", "2m", "5m", "15m", "30m", "60m", "90m", "1h", "1d", "5d", "1wk", "1mo", "3mo")
_DATED = ("1d", "5d", "1wk", "1mo", "3mo")
_OFFLINE = "Yahoo cannot be reached: see that this machine has a network, or take data=sample or data=files"
_SIGNS = (
    "resolve",
    "getaddrinfo",
    "connectionerror",
    "connection refused",
    "network is",
    "unreachable",
    "timed out",
    "dns",
)
_NOTE = "symbols that trade today, chosen today: survivorship is not controlled; Yahoo revises its history"


@checked("data")
def load(
    tickers: list[str] | str,
    start: str | None = None,
    end: str | None = None,
    interval: str = "1d",
    timeout: Annotated[float, Number(0, 3600, above=True)] = 30,
    on_jump: str = "warn",
    universe: str | None = None,
    context: str | None = None,
) -> Market:
    """Adjusted bars of `tickers` from `start` (included) to `end` (not included), both dates or null.

    `on_jump`: what becomes of prices that cannot be, as for data=files. `universe`: a file of symbol, from, to.
    `context`: a file of further columns, as for data=files.

    ConfigError without the package or for a setting, DataError for a ticker without bars or a download that failed.
    """
    chosen = [tickers] if isinstance(tickers, str) else list(tickers or ())
    require(bool(chosen), "data.tickers=[]: must name at least one; data.tickers=[SPY,QQQ]")
    choice("interval", interval, _INTERVALS, "1d")
    choice("on_jump", on_jump, ON_JUMP, "warn")
    try:
        import yfinance
    except ImportError:
        raise ConfigError("data=yfinance: needs the yfinance package; pip install 'barwise[yfinance]'") from None
    with _heard() as said:
        try:
            table = yfinance.download(
                chosen,
                start=start,
                end=end,
                interval=interval,
                auto_adjust=True,
                actions=False,
                group_by="ticker",
                multi_level_index=True,
                progress=False,
                threads=False,  # one after the other: Yahoo answers bursts with errors
                timeout=timeout,
            )
        except Exception as error:  # the network and Yahoo's answers raise whatever they like
            reason, told = " ".join(str(error).split())[:120], " ".join(f"{e} {type(e)}" for e in chain_of(error))
            where = f"data.tickers={','.join(chosen)}: the download failed: {reason}"
            raise DataError(f"{where}; {_OFFLINE if _offline(told) else 'try again later'}") from None
    if (table is None or not len(table)) and _offline(" ".join(said)):
        raise DataError(f"data.tickers={','.join(chosen)}: {_OFFLINE}")
    bars = tuple(_bars(ticker, table, start, end, interval) for ticker in sorted(set(chosen)))
    bars, doubts = plausible(bars, on_jump, splits_known=True)
    facts = {"name": "yfinance", "note": _NOTE, "adjusted": True, "interval": interval, "warnings": doubts}
    return beside(within(Market(bars, None, facts), universe), context)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What yfinance logs meanwhile: it gives an empty table where it reached nobody, and says why there alone."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("yfinance")
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _offline(told: str) -> bool:
    """Whether what was said is that nobody could be reached, which libraries say in many ways."""
    return any(sign in told.lower() for sign in _SIGNS)


def _bars(ticker: str, table: Any, start: str | None, end: str | None, interval: str) -> Bars:
    has_any = table is not None and len(table) and ticker in table.columns.get_level_values(0)
    part = table[ticker].dropna(how="all", subset=["Open", "High", "Low", "Close"]) if has_any else pd.DataFrame()
    if part.empty:
        raise DataError(f"data.tickers={ticker}: Yahoo has no bars from {start} to {end}; mend the name or the dates")
    index = pd.DatetimeIndex(part.index)
    if index.tz is not None:  # a bar of a day or more has its exchange's date
        index = (index if interval in _DATED else index.tz_convert("UTC")).tz_localize(None)
    columns = {name: part[name.capitalize()].to_numpy(np.float64, na_value=np.nan) for name in COLUMNS}
    return Bars(ticker, index.to_numpy().astype("datetime64[ns]"), **columns)
