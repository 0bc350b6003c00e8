"""Labels across symbols written plainly, one bar at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

PATIENCE = 20


def plain(bars: list[Any], inside: Any, horizon: int, price: str, group: dict[str, str] | None = None) -> dict:
    """{(symbol, row of its own): (return, end as a time, rank in [-1, 1], excess)} of the labels that are known."""
    times = sorted({t for b in bars for t in b.time.tolist()})
    place = {t: i for i, t in enumerate(times)}
    found = {}
    for when in times:
        limit = place[when] + 1 + horizon + PATIENCE
        every = []
        for b in bars:
            own = b.time.tolist()
            if when not in own:
                continue
            t = own.index(when)
            values = getattr(b, price)
            there = t + 1 + horizon < len(own)
            ret = values[t + 1 + horizon] / values[t + 1] - 1.0 if there else np.nan
            end = place[own[t + 1 + horizon]] if there else 10**9
            every.append((b.symbol, t, ret, end, bool(inside(b.symbol, b.time[t : t + 1])[0])))
        for symbol, t, ret, end, _ in every:
            peers = [e for e in every if e[4] and (group is None or group[e[0]] == group[symbol])]
            known = max([end, *(min(e[3], limit) for e in peers)])
            if end > limit or known >= len(times):
                continue
            rets = [e[2] for e in peers if e[3] <= limit]
            others = [e[2] for e in peers if e[3] <= limit and e[0] != symbol]
            below = sum(r < ret for r in others) + 0.5 * sum(r == ret for r in others)
            rank = 2 * below / len(others) - 1 if others else 0.0
            found[symbol, t] = (ret, times[known], rank, ret - np.mean(rets) if rets else np.nan)
    return found
