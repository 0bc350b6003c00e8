"""Bars of a crypto exchange, by the ccxt package (an extra): paged, tried again, kept, and gone on with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from barwise.console.settings import Whole, checked
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.data.context import beside
from barwise.data.members import within
from barwise.data.plausible import ON_JUMP, plausible
from barwise.data.selection import bounds
from barwise.data.settings import choice
from barwise.errors import ConfigError, DataError, require
from barwise.runs.blocks import cache_folder, synced
from barwise.runs.directory import replacing

_NOTE = "symbols that trade today, chosen today: survivorship is not controlled"
_ZERO = np.datetime64(0, "ms")
_PAUSE = 1.0  # seconds before the second try, twice as many before each next one


@checked("data")
def load(
    exchange: str = "binance",
    symbols: Sequence[str] | str = ("BTC/USDT",),
    timeframe: str = "1h",
    since: str | None = "2020-01-01",
    until: str | None = None,
    limit: Annotated[int, Whole(10, 5_000)] = 1_000,
    retries: Annotated[int, Whole(0, 20)] = 5,
    folder: str | None = None,
    on_jump: str = "warn",
    universe: str | None = None,
    context: str | None = None,
) -> Market:
    """Bars of `symbols` from `since` to `until` (its whole day; null: the last bar that is over), stamped as they open.

    A page has `limit` bars at most. Pages are kept below `folder` (null: the user's cache folder) as they come, so that
    a download that was cut off goes on, and the next one asks for new bars alone. What fails for want of a network or
    by a limit of the exchange's is tried `retries` times more. `on_jump`, `universe`, `context`: as for data=files.
    ConfigError without the package or for a setting, DataError for what the exchange says.
    """
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    require(bool(names), "data.symbols=[]: must name at least one; data.symbols=[BTC/USDT,ETH/USDT]")
    choice("on_jump", on_jump, ON_JUMP, "warn")
    market = _exchange(exchange)
    step = _step(market, exchange, timeframe)
    first, last = bounds(since, until, None)
    begin, end = (int((at.astype("datetime64[ms]") - _ZERO) / np.timedelta64(1, "ms")) for at in (first, last))
    home = (Path(folder).expanduser() if folder else cache_folder() / "ccxt") / exchange / timeframe
    require(since is not None, "data.since=null: must be a date, such as 2020-01-01: an exchange has no first page")
    found = []
    for name in sorted(set(names)):
        pages = _Pages(home / re.sub(r"[^\w.-]", "-", name), step)
        ask = _asking(market, name, timeframe, limit, retries)
        last_over = min(end, int(market.milliseconds()) - step)
        pages.extend(ask, begin, last_over, limit)
        found.append(pages.bars(name, begin, last_over))
    bars, doubts = plausible(tuple(found), on_jump, splits_known=True)
    facts = {"name": "ccxt", "note": _NOTE, "exchange": exchange, "interval": timeframe, "warnings": doubts}
    return beside(within(Market(bars, None, facts), universe), context)


def _exchange(name: str) -> Any:
    try:
        import ccxt
    except ImportError:
        raise ConfigError("data=ccxt: needs the ccxt package; pip install 'barwise[ccxt]'") from None
    require(
        name in ccxt.exchanges,
        f"data.exchange={name}: ccxt has no such exchange; it has {', '.join(ccxt.exchanges[:8])} and"
        f" {len(ccxt.exchanges) - 8} more",
    )
    return getattr(ccxt, name)({"enableRateLimit": True})


def _step(market: Any, exchange: str, timeframe: str) -> int:
    """Milliseconds of a bar."""
    require(bool(market.has.get("fetchOHLCV")), f"data.exchange={exchange}: gives no bars; choose another exchange")
    allowed = list(market.timeframes or ())
    require(
        not allowed or timeframe in allowed,
        f"data.timeframe={timeframe}: {exchange} has {', '.join(map(str, allowed))}",
    )
    return int(market.parse_timeframe(timeframe) * 1000)


def _asking(market: Any, symbol: str, timeframe: str, limit: int, retries: int) -> Callable[[int], list[list[float]]]:
    """A page of bars from a moment on; tried again where the network or a limit is in the way."""
    where = f"data.symbols={symbol}"

    def ask(since: int) -> list[list[float]]:
        for tried in range(retries + 1):
            try:
                page: list[list[float]] = market.fetch_ohlcv(symbol, timeframe, since, limit)
                return page
            except Exception as error:
                reason = " ".join(str(error).split())[:160]
                passing = {"NetworkError", "RateLimitExceeded", "DDoSProtection", "ExchangeNotAvailable"}
                if not passing & {kind.__name__ for kind in type(error).__mro__}:
                    raise DataError(f"{where}: {market.id} says {reason}") from None
                if tried == retries:
                    raise DataError(
                        f"{where}: {market.id} cannot be reached ({reason}), after {retries + 1} tries; is there a"
                        " network? what came is kept, and the same command goes on"
                    ) from None
                time.sleep(_PAUSE * 2**tried)
        return []

    return ask


class _Pages:
    """The bars of one symbol that came so far; `step`: milliseconds of a bar.

    A file's name says which stretch it covers, <first moment>-<last bar>: what no file covers is asked for, a page that
    was damaged too, and a hole that the exchange has is not asked for again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.step = folder, step

    def extend(self, ask: Callable[[int], list[list[float]]], begin: int, last: int, limit: int) -> None:
        """Ask for what is missing between `begin` and `last`, the moments at which bars open, page by page."""
        ahead = begin
        for first, end in sorted(self.stretches()):
            if first > ahead:
                self._ask(ask, ahead, min(last, first - self.step), limit)
            ahead = max(ahead, end + self.step)
        self._ask(ask, ahead, last, limit)

    def _ask(self, ask: Callable[[int], list[list[float]]], since: int, last: int, limit: int) -> None:
        covered = since
        while since <= last:
            page = [row for row in ask(since) if since <= row[0] <= last and None not in row[:5]]
            if not page:  # a hole: the exchange was closed, or the symbol not yet listed
                since += limit * self.step
                continue
            self._keep(covered, np.array([[0.0 if x is None else float(x) for x in row[:6]] for row in page]))
            since = covered = int(max(row[0] for row in page)) + self.step

    def _keep(self, covered: int, rows: np.ndarray) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
        with replacing(self.folder / f"{covered}-{int(rows[-1, 0])}.parquet") as beside:
            pq.write_table(pa.table({n: rows[:, i] for i, n in enumerate(("time", *COLUMNS))}), beside)
            synced(beside)

    def stretches(self) -> dict[tuple[int, int], np.ndarray]:
        """{(first moment, last bar): its bars} of each page that can be read."""
        import pyarrow.parquet as pq

        found = {}
        for path in sorted(self.folder.glob("*.parquet")) if self.folder.is_dir() else ():
            try:
                first, last = map(int, path.stem.split("-"))
                table = pq.read_table(path, partitioning=None)
                found[first, last] = np.column_stack([table.column(n).to_numpy() for n in ("time", *COLUMNS)])
            except Exception:  # a damaged page is asked for again
                path.unlink(missing_ok=True)
        return found

    def rows(self) -> np.ndarray:
        """All bars, (bar, column): the moment of opening in milliseconds and what it was; each once, in order."""
        parts = list(self.stretches().values())
        if not parts:
            return np.empty((0, 6))
        rows = np.concatenate(parts)
        found: np.ndarray = rows[np.unique(rows[:, 0], return_index=True)[1]]
        return found

    def bars(self, symbol: str, begin: int, last: int) -> Bars:
        """The bars that open from `begin` to `last`. DataError where there is none."""
        rows = self.rows()
        rows = rows[(rows[:, 0] >= begin) & (rows[:, 0] <= last)]
        if not len(rows):
            raise DataError(f"data.symbols={symbol}: the exchange has no bars there; mend the name, since or until")
        times = (_ZERO + rows[:, 0].astype(np.int64) * np.timedelta64(1, "ms")).astype("datetime64[ns]")
        columns: dict[str, Any] = {n: np.ascontiguousarray(rows[:, i + 1]) for i, n in enumerate(COLUMNS)}
        return Bars(symbol, times, **columns)
