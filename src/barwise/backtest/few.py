"""An account of a few symbols, over many bars: numpy's calls on five numbers cost more than the numbers do.

Bar after bar only what the next one depends on is carried, by Python's own floats; what the ledger says of each bar is
made of that at the end, in one pass. Every sum is taken in the order in which `Account.bar` takes it, so that the
ledger is the same to the bit: below eight numbers numpy adds one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np

from barwise.backtest.account import ROUNDING, Account, Terms

_MOST = 7  # symbols; from eight numbers on numpy adds in another order


def plain(terms: Terms) -> bool:
    """Whether an account on these terms can be moved so: few symbols, a flat cost, nothing paid beside it."""
    extras = (terms.prices, terms.funding, terms.rolls, terms.lent_by)
    return 0 < terms.target.shape[1] <= _MOST and all(one is None for one in extras)


@dataclass
class _Rows:
    """What each bar was moved by: values wanted (bar, symbol), and numbers of the account."""

    account: list[float] = field(default_factory=list)
    wanted: list[list[float]] = field(default_factory=list)
    volume: list[float] = field(default_factory=list)
    lent: list[float] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)
    now: list[float] = field(default_factory=list)


def move(account: Account, begin: int, end: int) -> int:
    """Move the account over the rows from `begin` to before `end`, or to before the first at which a position is closed
    or the account is ruined; that row."""
    terms, rows = account.terms, _Rows()
    rate, lending, interest = terms.rate, terms.lending, 1.0 + terms.interest
    value, cash = account.value.tolist(), float(account.cash)
    span = slice(begin, min((row for row in terms.ends if begin <= row < end), default=end))
    drifts = (np.broadcast_to(one[span], terms.target[span].shape) for one in (terms.to_price, terms.to_close))
    given = [one.tolist() for one in (terms.target[span], *drifts)]
    for target, to_price, to_close, bought in zip(*given, terms.bought_by[span], strict=True):
        moved, held = [], 0.0
        for x, drift in zip(value, to_price):  # noqa: B905  # strict takes a tenth of the loop's time
            x *= drift
            held += x
            moved.append(x)
        worth = cash + held
        if worth <= 0.0:
            break
        wanted = [x * worth for x in target]
        if bought == bought:  # no NaN: an order for every symbol
            bought *= worth
        else:
            wanted = _within(wanted, moved, terms.max_gross * worth)
            bought = reduce(add, wanted)
        value, volume, gross, closing = [], 0.0, 0.0, 0.0
        for x, before, drift in zip(wanted, moved, to_close):  # noqa: B905
            volume += abs(x - before)
            gross += abs(x)
            x *= drift
            closing += x
            value.append(x)
        lent = lending * 0.5 * max(0.0, gross - bought) if lending else 0.0
        paid = rate * volume + lent
        left = (worth - bought) * interest - paid
        now = left + closing
        if now <= 0.0:
            break
        cash = left
        rows.account.append(worth)
        rows.wanted.append(wanted)
        rows.volume.append(volume)
        rows.lent.append(lent)
        rows.paid.append(paid)
        rows.now.append(now)
    if rows.now:
        _enter(account, begin, rows)
        account.cash = cash
    return begin + len(rows.now)


def _within(wanted: list[float], held: list[float], most: float) -> list[float]:
    """`account._within` on lists."""
    ordered = [x == x for x in wanted]
    if not any(ordered):
        return held
    values = [x if known else y for x, y, known in zip(wanted, held, ordered, strict=True)]
    gross = reduce(add, map(abs, values))
    if gross <= most * ROUNDING:
        return values
    fixed = reduce(add, (abs(x) for x, known in zip(values, ordered, strict=True) if not known), 0.0)
    scale = min(max(0.0, most - fixed) / max(gross - fixed, 1e-300), 1.0)
    return [x * scale if known else x for x, known in zip(values, ordered, strict=True)]


def _enter(account: Account, begin: int, rows: _Rows) -> None:
    """What the ledger and the positions say of the rows, and the account as the last one left it."""
    terms, n = account.terms, len(rows.now)
    i, t = slice(begin - account.first, begin - account.first + n), slice(begin, begin + n)
    whole, now, wanted = np.array(rows.account), np.array(rows.now), np.array(rows.wanted)
    after = wanted * terms.to_close[t]
    before, worth = np.vstack([account.value, after[:-1]]), np.append(account.worth, now[:-1])
    moved = before * terms.to_price[t]
    change, share = wanted - moved, worth[:, None]
    account.net[i], account.equity[i] = now / worth - 1.0, now
    account.cost[i], account.borrow[i] = np.array(rows.paid) / worth, np.array(rows.lent) / worth
    account.turnover[i] = np.array(rows.volume) / whole
    account.exposure[i] = np.add.accumulate(np.abs(after), axis=1)[:, -1] / now
    earned = np.vstack([account.contribution, (after - before - change) / share])
    account.contribution = np.add.accumulate(earned, axis=0)[-1]
    if account.kept is not None:
        fees = terms.rate * np.abs(change) + terms.lending * np.maximum(-wanted, 0.0)
        account.kept.note(
            i, weight=wanted / whole[:, None], before=(moved - before) / share, after=(after - wanted) / share,
            cost=fees / share, traded=np.abs(change) / whole[:, None], closing=after / now[:, None],
        )  # fmt: skip
    account.value, account.worth = after[-1].copy(), float(now[-1])
