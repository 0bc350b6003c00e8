"""Many bars of an account at once: the same sums as bar by bar, but for their order.

What an account grows by in a bar depends on what it grew by before only through the cost of its trades and, where a
symbol has no order, through the share that its position has grown to: both move the result far less than they move
themselves. So the growth over a stretch of bars is guessed, and computed from the guess again until it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barwise.backtest.account import ROUNDING, Account, Terms
from barwise.backtest.few import move, plain

LONG = 4_000  # rows from which stretches are taken; shorter ledgers go bar by bar, and sum as they always did
_CELLS = 12_288  # of a stretch: what the cache holds of some ten arrays
_LEAST = 64  # rows of a stretch
_PASSES = 60
_SETTLED = 1e-15  # a change of a bar's growth that is rounding
_FEW = 16  # columns, below which numpy is fastest along them: arrays of a stretch lie column by column
_IN_ORDER = 3  # columns that are added up one after the other however they lie


def carry(account: Account) -> None:
    """Move the account over all its rows, or to its ruin."""
    terms, t = account.terms, account.first
    most = _CELLS // max(1, terms.target.shape[1])
    limited = terms.lent_by is not None or (terms.prices is not None and terms.prices.most is not None)
    slow = account.last + 1 - account.first < LONG or most < _LEAST or limited
    ends = [] if slow else _cuts(terms, account.first, account.last)
    for cut in [*ends, account.last + 1]:
        while t < cut and not account.ruined:
            end = min(t + most, cut)
            if slow or end - t < _LEAST or not _stretch(account, t, end):
                _bar_by_bar(account, t, end)
            t = end


def _bar_by_bar(account: Account, begin: int, end: int) -> None:
    row, few = begin, plain(account.terms)
    while row < end and not account.ruined:
        row = move(account, row, end) if few else row
        if row < end:
            account.bar(row)
            row += 1


def _cuts(terms: Terms, first: int, last: int) -> list[int]:
    """Rows at which long runs without an order begin and end: what is only held is one stretch."""
    target = terms.target[first : last + 1]
    if not np.isnan(np.add.reduce(target[1:], axis=None)):  # orders at every row but the first, which has none
        return []
    idle = np.isnan(target).all(axis=1)
    edges = np.flatnonzero(np.diff(idle, prepend=False, append=False))
    long = [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a >= _LEAST]
    return sorted({first + row for pair in long for row in pair} - {first, last + 1})


def _stretch(account: Account, begin: int, end: int) -> bool:
    """Move the account over the rows from `begin` to before `end`; False, with nothing changed, where it is ruined on
    the way, or does not settle."""
    terms, i = account.terms, slice(begin - account.first, end - account.first)
    if terms.delisting and any(begin <= row < end for row in terms.gone):
        return False
    with np.errstate(all="ignore"):
        found = _settled(_Orders.of(account, slice(begin, end)), account)
    if found is None or not (found.now > 0.0).all():
        return False
    now, start = found.now, np.append(account.worth, found.now[:-1])
    account.net[i], account.equity[i] = now / start - 1.0, now
    account.cost[i], account.borrow[i] = found.paid / start, found.lent / start
    account.turnover[i] = found.traded
    account.exposure[i] = _sum(np.abs(found.carried)) / now
    earned = found.after - found.before - found.change
    earned = earned if found.flow is None else earned + found.flow
    account.contribution += (1.0 / start) @ np.ascontiguousarray(earned)
    if found.flow is not None:
        account.flow[i] = _sum(found.flow) / start
    if account.kept is not None:
        _keep(account, found, i, start)
    account.value, account.cash, account.worth = found.carried[-1].copy(), float(found.cash[-1]), float(now[-1])
    return True


@dataclass
class _Orders:
    """What is known of a stretch before its account is: arrays (row, symbol).

    `share`: shares ordered, 0 without an order. `source`: the row at which each position was last set (ordered, or
    closed at the bar before), `growth` what its price did since; None where every row orders everything. `ending`: what
    is closed at the row's last price, None for nothing.
    """

    rows: slice
    share: np.ndarray
    ordered: np.ndarray
    to_price: np.ndarray
    to_close: np.ndarray
    ending: np.ndarray | None
    source: np.ndarray | None
    growth: np.ndarray | None
    partial: np.ndarray

    @classmethod
    def of(cls, account: Account, rows: slice) -> _Orders:
        terms = account.terms
        lie = np.asfortranarray if terms.target.shape[1] < _FEW else np.asarray
        target, to_price = lie(terms.target[rows]), lie(terms.to_price[rows])
        to_close = lie(np.broadcast_to(terms.to_close[rows], target.shape))
        ordered = ~np.isnan(target)
        ends = [row for row in range(rows.start, rows.stop) if row in terms.ends] if terms.ends else []
        ending = np.zeros(target.shape, bool) if ends else None
        for row in ends:
            ending[row - rows.start, terms.ends[row]] = True  # type: ignore[index]
        if ordered.all():
            return cls(rows, target, ordered, to_price, to_close, ending, None, None, np.zeros(0, bool))
        complete, event, drift = ordered.all(axis=1), ordered.copy(), to_price.copy()
        event[0] = True
        drift[0], drift[1:] = 1.0, to_price[1:] * to_close[:-1]
        if ending is not None:
            event[1:] |= ending[:-1]
        source = np.maximum.accumulate(np.where(event, np.arange(len(event))[:, None], 0), axis=0)
        grown = np.cumprod(drift, axis=0)
        growth = grown / np.take_along_axis(grown, source, axis=0)
        partial = ~complete & ordered.any(axis=1)
        return cls(rows, np.where(ordered, target, 0.0), ordered, to_price, to_close, ending, source, growth, partial)


@dataclass
class _Found:
    """A stretch once it stands; arrays (row, symbol) of values and (row,) of the account."""

    account: np.ndarray
    before: np.ndarray
    wanted: np.ndarray
    change: np.ndarray
    after: np.ndarray
    carried: np.ndarray
    moved: np.ndarray
    flow: np.ndarray | None
    paid: np.ndarray
    lent: np.ndarray
    cash: np.ndarray
    now: np.ndarray
    traded: np.ndarray


def _settled(orders: _Orders, account: Account) -> _Found | None:
    """The stretch whose growth is what it was computed from; None where the account is ruined or nothing settles."""
    begun = account.cash + float(np.add.reduce(account.value * orders.to_price[0]))
    worth = np.full(len(orders.share), begun)
    if not orders.ordered.any() and orders.growth is not None:  # what is only held grows by its prices
        worth = account.cash + _sum(account.value * orders.to_price[0] * orders.growth)
    elif orders.source is None and orders.ending is None and account.terms.prices is None:
        worth = begun * np.append(1.0, np.cumprod(_growth(orders, account, begun)))
    scale, growth = np.ones(len(worth)), worth[1:] / worth[:-1]
    for _ in range(_PASSES):
        if not (worth > 0.0).all():
            return None
        values, scaled = _values(orders, account, worth, scale)
        found = _accounts(orders, account, worth, values)
        again = (found.cash[:-1] + _sum(found.carried[:-1] * orders.to_price[1:])) / worth[:-1]
        moved = max(np.abs(again - growth).max(initial=0.0), np.abs(scaled - scale).max(initial=0.0))
        if moved <= _SETTLED:
            return found
        growth, scale = again, scaled
        worth = begun * np.append(1.0, np.cumprod(growth))
    return None


def _growth(orders: _Orders, account: Account, begun: float) -> np.ndarray:
    """What the account grows by from bar to bar at a flat cost, where every row orders everything: in shares of it."""
    terms, share = account.terms, orders.share
    moved = np.vstack([account.value / begun, share[:-1] * orders.to_close[:-1]]) * orders.to_price
    bought = _sum(share)
    free = (1.0 - bought) * (1.0 + terms.interest)
    if terms.lending:
        free -= terms.lending * 0.5 * np.maximum(0.0, _sum(np.abs(share)) - bought)
    if terms.charged is not None:
        free -= _sum(share * orders.to_close * terms.charged[orders.rows])
    free = free[:-1] + _sum(moved[1:])
    growth: np.ndarray = free
    known = moved[:-1].copy("K")
    change = np.empty_like(known)
    for _ in range(_PASSES):
        np.divide(moved[1:-1], growth[:-1, None], out=known[1:])
        np.abs(np.subtract(share[:-1], known, out=change), out=change)
        last, growth = growth, free - terms.rate * _sum(change)
        if np.abs(growth - last).max(initial=0.0) <= _SETTLED:
            break
    return growth


def _values(orders: _Orders, account: Account, worth: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values after trading, and the factors that keep rows in which not everything can be traded below `max_gross`."""
    size = worth * scale
    if orders.source is None or orders.growth is None:
        return orders.share * size[:, None], scale
    given = orders.share * size[:, None]
    given[0] = np.where(orders.ordered[0], given[0], account.value * orders.to_price[0])
    values = np.take_along_axis(given, orders.source, axis=0) * orders.growth
    if not orders.partial.any():
        return values, scale
    fixed = _sum(np.where(orders.ordered, 0.0, np.abs(values)))
    own, most = _sum(np.abs(orders.share)) * worth, account.terms.max_gross * worth
    room = np.minimum(np.maximum(most - fixed, 0.0) / np.maximum(own, 1e-300), 1.0)
    scaled = np.where(orders.partial & (fixed + own > most * ROUNDING), room, 1.0)
    return np.where(orders.ordered, orders.share * (worth * scaled)[:, None], values), scaled


def _accounts(orders: _Orders, account: Account, worth: np.ndarray, values: np.ndarray) -> _Found:
    """What the rows cost and leave, where the account is worth so much at each execution price."""
    terms, ending = account.terms, orders.ending
    after = values * orders.to_close
    carried = after if ending is None else np.where(ending, 0.0, after)
    before = np.vstack([account.value, carried[:-1]])
    moved = before * orders.to_price
    change = values - moved
    if orders.source is not None:
        change = np.where(orders.ordered, change, 0.0)  # what rounding leaves is no trade
    bought = _sum(values)
    lent = terms.lending * 0.5 * np.maximum(0.0, _sum(np.abs(values)) - bought)
    volume = _sum(np.abs(change))
    paid = (terms.rate * volume if terms.prices is None else _sum(terms.prices.each(orders.rows, change))) + lent
    rolled = terms.rolling(orders.rows, before, moved, values)
    if rolled is not None:
        paid, volume = paid + _sum(rolled[0]), volume + _sum(rolled[1])
    cash = (worth - bought) * (1.0 + terms.interest) - paid
    flow = None if terms.charged is None else -after * terms.charged[orders.rows]
    if flow is not None:
        cash = cash + _sum(flow)
    traded = volume / worth
    if ending is not None:
        ended = after - carried
        fee = _sum(terms.fees(orders.rows, -ended))
        traded = traded + _sum(np.abs(ended)) / (cash + _sum(after))
        cash, paid = cash + _sum(ended) - fee, paid + fee
    now = cash + _sum(carried)
    return _Found(worth, before, values, change, after, carried, moved, flow, paid, lent, cash, now, traded)


def _keep(account: Account, found: _Found, i: slice, start: np.ndarray) -> None:
    """Note the stretch's positions."""
    terms, kept = account.terms, account.kept
    rows, worth = slice(i.start + account.first, i.stop + account.first), start[:, None]
    fees = terms.fees(rows, found.change) + terms.fees(rows, found.carried - found.after)
    rolled = terms.rolling(rows, found.before, found.moved, found.wanted)
    fees = fees if rolled is None else fees + rolled[0]
    if kept is None:
        return
    kept.weight[i], kept.traded[i] = (
        found.wanted / found.account[:, None],
        np.abs(found.change) / found.account[:, None],
    )
    kept.before[i], kept.after[i] = (found.moved - found.before) / worth, (found.after - found.wanted) / worth
    kept.cost[i] = (fees + terms.lending * np.maximum(-found.wanted, 0.0)) / worth
    kept.closing[i] = found.after / found.now[:, None]
    if kept.flow is not None and found.flow is not None:
        kept.flow[i] = found.flow / worth


def _sum(values: np.ndarray) -> np.ndarray:
    """Over the symbols; the same however the array lies."""
    width = values.shape[1]
    found: np.ndarray = (values if width <= _IN_ORDER else np.ascontiguousarray(values)) @ np.ones(width)
    return found
