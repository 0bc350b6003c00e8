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
    """What each bar was moved by; a list of one value, or of one list by symbol, a bar."""

    account: list[float] = field(default_factory=list)
    moved: list[list[float]] = field(default_factory=list)
    wanted: list[list[float]] = field(default_factory=list)
    change: list[list[float]] = field(default_factory=list)
    after: list[list[float]] = field(default_factory=list)
    volume: list[float] = field(default_factory=list)
    lent: list[float] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)
    now: list[float] = field(default_factory=list)


def move(account: Account, begin: int, end: int) -> int:
    """Move the account over the rows from `begin` to before `end`, or to before the first at which a position is closed
    or the account is ruined; that row."""
    terms, rows = account.terms, _Rows()
    value, cash = account.value.tolist(), float(account.cash)
    last = min((row for row in terms.ends if begin <= row < end), default=end)
    span = slice(begin, last)
    drifts = (np.broadcast_to(one[span], terms.target[span].shape) for one in (terms.to_price, terms.to_close))
    given = [one.tolist() for one in (terms.target[span], *drifts)]
    for target, to_price, to_close, all_bought in zip(*given, terms.bought_by[span], strict=True):
        moved = [x * y for x, y in zip(value, to_price, strict=True)]
        held = reduce(add, moved)
        worth = cash + held
        if worth <= 0.0:
            break
        if all_bought == all_bought:  # no NaN: an order for every symbol
            wanted, bought = [x * worth for x in target], all_bought * worth
        else:
            wanted = _within([x * worth for x in target], moved, terms.max_gross * worth)
            bought = reduce(add, wanted)
        change = [x - y for x, y in zip(wanted, moved, strict=True)]
        volume = reduce(add, map(abs, change))
        lent = terms.lending * 0.5 * max(0.0, reduce(add, map(abs, wanted)) - bought) if terms.lending else 0.0
        paid = terms.rate * volume + lent
        left = (worth - bought) * (1.0 + terms.interest) - paid
        after = [x * y for x, y in zip(wanted, to_close, strict=True)]
        now = left + reduce(add, after)
        if now <= 0.0:
            break
        rows.account.append(worth)
        rows.moved.append(moved)
        rows.wanted.append(wanted)
        rows.change.append(change)
        rows.after.append(after)
        rows.volume.append(volume)
        rows.lent.append(lent)
        rows.paid.append(paid)
        rows.now.append(now)
        value, cash = after, left
    if rows.now:
        _enter(account, begin, rows)
        account.cash = cash
    return begin + len(rows.now)


def _within(wanted: list[float], held: list[float], most: float) -> list[float]:
    """`account._within` on lists."""
    ordered = [x == x for x in wanted]
    if not any(ordered):
        return held
    values = [x if x == x else y for x, y in zip(wanted, held, strict=True)]
    size = [abs(x) for x in values]
    gross = reduce(add, size)
    if gross <= most * ROUNDING:
        return values
    fixed = reduce(add, (x for x, known in zip(size, ordered, strict=True) if not known), 0.0)
    scale = min(max(0.0, most - fixed) / max(gross - fixed, 1e-300), 1.0)
    return [x * scale if known else x for x, known in zip(values, ordered, strict=True)]


def _enter(account: Account, begin: int, rows: _Rows) -> None:
    """What the ledger and the positions say of the rows, and the account as the last one left it."""
    terms, first = account.terms, begin - account.first
    i = slice(first, first + len(rows.now))
    worth = np.array([account.worth, *rows.now[:-1]])
    after, before, wanted, moved, change = (
        np.array(one)
        for one in (rows.after, [account.value.tolist(), *rows.after[:-1]], rows.wanted, rows.moved, rows.change)
    )
    whole, now, share = np.array(rows.account), np.array(rows.now), worth[:, None]
    account.net[i], account.equity[i] = now / worth - 1.0, now
    account.cost[i], account.borrow[i] = np.array(rows.paid) / worth, np.array(rows.lent) / worth
    account.turnover[i] = np.array(rows.volume) / whole
    account.exposure[i] = np.array([reduce(add, map(abs, one)) for one in rows.after]) / now
    earned = (after - before - change) / share
    account.contribution = np.add.accumulate(np.vstack([account.contribution, earned]), axis=0)[-1]
    if account.kept is not None:
        fees = terms.rate * np.abs(change) + terms.lending * np.maximum(-wanted, 0.0)
        account.kept.note(
            i, weight=wanted / whole[:, None], before=(moved - before) / share, after=(after - wanted) / share,
            cost=fees / share, traded=np.abs(change) / whole[:, None],
        )  # fmt: skip
        account.kept.closing[i] = after / now[:, None]
    account.value, account.worth = after[-1].copy(), float(now[-1])
