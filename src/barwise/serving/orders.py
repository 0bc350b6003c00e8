"""Orders: the next bar's target weights by the run's portfolio, and the shares that lead there from what is held."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Market
from barwise.errors import ConfigError, DataError
from barwise.safety.files import MB

_MOST_BYTES = 16 * MB
_MOST_BARS = 10_000  # that a position is held
_PAST = 60  # bars scored before the last one, of rules that go by what is held

if TYPE_CHECKING:
    from barwise.serving.live import Answer, Live
    from barwise.serving.model import Served


@dataclass(frozen=True)
class Scored:
    """Bars scored so far, in any order: names of symbols, times, signals and scores."""

    symbol: np.ndarray
    time: np.ndarray
    signal: np.ndarray
    score: np.ndarray


def _joined(parts: Iterable[Scored]) -> Scored:
    """All of them as one."""
    found = list(parts)
    return Scored(*(np.concatenate([getattr(one, f.name) for one in found]) for f in fields(Scored)))


@dataclass(frozen=True)
class Desk:
    """What orders are made by: the run's backtest with its portfolio, and the shares that are held by symbol."""

    backtest: Backtest
    per_year: float
    held: Mapping[str, float]

    @property
    def past(self) -> int:
        """Bars that must be scored for the weights of the last one."""
        portfolio = self.backtest.portfolio
        return 1 if portfolio is None or portfolio.plain else max(portfolio.tranches, _PAST)

    def orders(self, market: Market, scored: Scored) -> dict[str, np.ndarray]:
        """One row a symbol that is held or to be held: `time` of the last scored bar, `symbol`, `price` (its close),
        `weight` to hold from the next bar's execution price on, `held`, `target` and `order` in whole shares, or in
        whole contracts where there are any, whose `price` is then one contract's worth in the account's currency.

        The weights are those that the backtest decides at the last bar, with the other scored ones as its past; where
        it gives no order at that bar, what is held stays. DataError for a symbol that is held and has no bar.
        """
        grid = Grid.build(market.bars, market.universe)
        place = {name: i for i, name in enumerate(grid.symbols)}
        strange = [name for name in self.held if name not in place]
        if strange:
            raise DataError(f"--held: {strange[0]} has no bar, so no price; give its bars, or leave it out")
        column = np.array([place[name] for name in scored.symbol], np.int64)
        weights = self.backtest.decided(grid, Signals(column, scored.time, scored.signal, scored.score), self.per_year)
        row = int(np.searchsorted(grid.time, scored.time.max()))
        return self._listed(grid, row, weights[row])

    def _listed(self, grid: Grid, row: int, weight: np.ndarray) -> dict[str, np.ndarray]:
        price = grid.close[row] * grid.column("contract_units", 1.0)[row]
        held = np.array([self.held.get(name, 0.0) for name in grid.symbols])
        with np.errstate(invalid="ignore", divide="ignore"):
            wanted = np.trunc(np.round(self.backtest.capital * weight / price, 9))  # 5 is not 4.999…
        target = np.where(np.isfinite(wanted), wanted, held)
        kept = self.backtest.capital
        own = np.where(np.isfinite(weight), weight, held * np.nan_to_num(price) / kept)
        listed = np.flatnonzero((target != 0) | (held != 0))
        return {
            "time": np.full(len(listed), grid.time[row]), "symbol": np.asarray(grid.symbols, dtype=object)[listed],
            "price": price[listed], "weight": own[listed], "held": held[listed], "target": target[listed],
            "order": (target - held)[listed],
        }  # fmt: skip


def desk_of(served: Served, held: Path | None = None, capital: float | None = None) -> Desk:
    """The desk of a served run; ConfigError for a backtest of the user's own, which decides in its own way."""
    if capital is not None and not 0 < capital < 1e15:
        raise ConfigError(f"--capital {capital:g}: must be a number above 0, of the currency of the prices")
    backtest = served.backtest() if served.backtest else None
    if not isinstance(backtest, Backtest):
        raise ConfigError(f"--orders: {type(backtest).__name__} is a backtest of your own; orders need barwise's")
    if backtest.portfolio is not None:
        bars = served.run.manifest.get("hold")
        known = bars if isinstance(bars, int) and 1 <= bars <= _MOST_BARS else 1
        backtest = replace(backtest, portfolio=backtest.portfolio.holding(known))
    backtest = backtest if capital is None else replace(backtest, capital=capital)
    return Desk(backtest, served.run.periods_per_year, {} if held is None else _shares(held))


def _shares(path: Path) -> dict[str, float]:
    """Shares by symbol of a CSV with columns symbol and shares (or `target`, of orders.csv); short ones negative."""
    if not path.is_file():
        raise DataError(f"--held {path}: is not there")
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"--held {path}: is larger than 16 MB")
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"--held {path}: is no CSV ({error})") from None
    names = set(rows[0]) if rows else set()
    column = "shares" if "shares" in names else "target"
    if rows and not {"symbol", column} <= names:
        raise DataError(f"--held {path}: has no columns symbol and shares; a line is AAPL,100")
    found: dict[str, float] = {}
    for number, row in enumerate(rows, 2):
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = float("nan")
        if not np.isfinite(value) or not row["symbol"]:
            raise DataError(f"--held {path} line {number}: holds no symbol and number of shares")
        if row["symbol"] in found:
            raise DataError(f"--held {path} line {number}: {row['symbol']} is there twice")
        found[row["symbol"].strip()] = value
    return found


class LiveDesk:
    """A desk beside a live session: it remembers the bars that were scored, as many as weights need.

    ConfigError where the portfolio counts bars from the first, which a session does not keep.
    """

    def __init__(self, desk: Desk) -> None:
        portfolio = desk.backtest.portfolio
        every = 1 if portfolio is None else portfolio.rebalance
        if isinstance(every, int) and every > 1:
            raise ConfigError(
                f"--orders: portfolio.rebalance={every} counts bars from the first, which live does not keep;"
                " predict --orders does"
            )
        self.desk = desk
        self.scored: deque[Scored] = deque(maxlen=desk.past)

    def orders(self, session: Live, answers: Iterable[Answer]) -> dict[str, np.ndarray] | None:
        """Orders after the answers to one bar; None where nothing was scored."""
        last = {name: h.bars.time[-1] for name, h in session.symbols.items() if len(h.bars)}
        given = [a for a in answers if last.get(a.symbol) == a.time]
        if not given:
            return None
        names = np.array([a.symbol for a in given], object)
        time = np.array([a.time for a in given], "datetime64[ns]")
        signal, score = (np.array([getattr(a, k) for a in given]) for k in ("signal", "score"))
        one = Scored(names, time, signal, score)
        if self.scored and self.scored[-1].time[-1] == time[-1]:  # more symbols of the same bar
            one = _joined([self.scored.pop(), one])
        self.scored.append(one)
        whole = _joined(self.scored)
        bars = tuple(h.bars for h in session.symbols.values() if len(h.bars))
        return self.desk.orders(Market(bars, universe=session.universe), whole)
