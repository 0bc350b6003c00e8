"""A hash that tells whether two runs saw the same bars; bars added at the end cost no more than themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from barwise.data.bars import COLUMNS, Bars, Known, Market

_BLOCK = 256  # bars: of a symbol that grew all whole blocks of these but the last keep their hash


def data_hash(market: Market) -> str:
    """SHA-256 over symbols, times, prices, volumes, extra columns, groups and stays in the universe; hexadecimal."""
    digest = hashlib.sha256()
    for bars in market.bars:
        digest.update(bars.symbol.encode() + b"\0")
        digest.update(digests(bars, len(bars))[0].encode())
        for name in sorted(bars.groups):
            digest.update("\0".join((name, *bars.group_names[name])).encode())
        if market.universe is not None:
            digest.update(market.universe.inside(bars.symbol, bars.time).tobytes())
    return digest.hexdigest()


def is_hash_of(market: Market, filed: object) -> bool:
    """Whether a run that was filed with this hash, by this version or one before it, saw these bars."""
    return filed == data_hash(market) or filed == _hash_of_columns(market)


def digests(bars: Bars, *ends: int) -> list[str]:
    """The hash of the first bars of one symbol, for each of `ends` how many; its name, its stays and the names of its
    groups are not in it. What is known of them is not read again."""
    if bars.known is not None:
        told = {**bars.known.earlier, bars.known.rows: bars.known.digest}
        if all(n in told for n in ends):
            return [told[n] for n in ends]
    return [digest for digest, _, _ in _hashed(bars, ends)]


def knowing(bars: Bars, calm: bool = False) -> Bars:
    """These bars, sound ones, whose arrays cannot be written from here on, with their hash; `calm`: without a doubt."""
    n, known = len(bars), bars.known
    if known is not None and known.rows == n:
        return bars.known_as(replace(known, calm=calm))
    earlier = {} if known is None else {**known.earlier, known.rows: known.digest}
    return bars.known_as(Known(n, *_hashed(bars, (n,))[0], earlier, calm))


def head(bars: Bars, n: int) -> Bars:
    """The first `n` bars; what is known of them stays known."""
    if n == len(bars):
        return bars
    found, known = bars.take(slice(0, n)), bars.known
    if known is None or known.whole > n:
        return found
    return found.known_as(Known(n, *_hashed(bars, (n,))[0], calm=known.calm) if known.rows > n else known)


def _hashed(bars: Bars, ends: Sequence[int]) -> list[tuple[str, int, bytes]]:
    """Of the first bars, for each of `ends` how many: their hash, those in whole blocks, and the hash of these."""
    names, arrays = _columns(bars)
    known, begin, chain = bars.known, 0, b""
    if known is not None and known.whole <= min(ends):
        begin, chain = known.whole, known.chain
    chains = {begin: chain}
    for low in range(begin, max(ends) // _BLOCK * _BLOCK, _BLOCK):
        chains[low + _BLOCK] = chain = _link(chain, arrays, low, low + _BLOCK)
    found = []
    for n in ends:
        whole = n // _BLOCK * _BLOCK
        digest = hashlib.sha256(names + _link(chains[whole], arrays, whole, n)).hexdigest()
        found.append((digest, whole, chains[whole]))
    return found


def _columns(bars: Bars) -> tuple[bytes, list[np.ndarray]]:
    """The names of all arrays, and these, as numbers one behind the other."""
    extra, groups = sorted(bars.extra), sorted(bars.groups)
    arrays = [bars.time.astype("datetime64[ns]", copy=False).view(np.int64), *(getattr(bars, name) for name in COLUMNS),
              *(bars.extra[name] for name in extra), *(bars.groups[name] for name in groups)]  # fmt: skip
    contiguous = [one if one.flags.c_contiguous else np.ascontiguousarray(one) for one in arrays]
    return json.dumps([extra, groups]).encode(), contiguous


def _link(before: bytes, arrays: list[np.ndarray], low: int, high: int) -> bytes:
    digest = hashlib.sha256(before)
    for values in arrays:
        digest.update(values[low:high].data)
    return digest.digest()


def _hash_of_columns(market: Market) -> str:
    """As versions before this one filed it: column after column of a symbol."""
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
