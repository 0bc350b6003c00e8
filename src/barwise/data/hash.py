"""A hash that tells whether two runs saw the same bars."""

from __future__ import annotations

import hashlib

import numpy as np

from barwise.data.bars import COLUMNS, Market


def data_hash(market: Market) -> str:
    """SHA-256 over symbols, times, prices, volumes, extra columns, groups and stays in the universe; hexadecimal."""
    digest = hashlib.sha256()
    for bars in market.bars:
        digest.update(bars.symbol.encode())
        digest.update(np.ascontiguousarray(bars.time.astype("datetime64[ns]").view(np.int64)).data)
        columns = {name: getattr(bars, name) for name in COLUMNS} | dict(sorted(bars.extra.items()))
        for name, values in columns.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(values).data)
        for name, codes in sorted(bars.groups.items()):
            digest.update("\0".join((name, *bars.group_names[name])).encode())
            digest.update(np.ascontiguousarray(codes).data)
        if market.universe is not None:
            digest.update(market.universe.inside(bars.symbol, bars.time).tobytes())
    return digest.hexdigest()
