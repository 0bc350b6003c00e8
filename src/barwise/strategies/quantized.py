"""XGBoost's quantized matrices, made once for the trials that train from the same rows.

A matrix is known by all that it is made of: the values, labels and weights of its rows, and the matrix whose cut points
it takes. A process keeps what `keep` made; those that are forked from it find it, and any other makes its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST = 2**28  # values that are kept, of a byte each

_kept: dict[bytes, Quantized] = {}


@dataclass(frozen=True)
class Quantized:
    """A matrix, and what it is known by; nothing where none is kept."""

    matrix: Any
    key: bytes = b""


def quantized(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray, like: Quantized | None = None, threads: int | None = None
) -> Quantized:
    """The matrix of `X` (row, feature), with the cut points of `like` where there is one; one that is kept if it is,
    whatever threads have made it."""
    if not _kept:
        return Quantized(_made(X, y, weight, like, threads))
    key = _key(X, y, weight, like)
    return _kept.get(key) or Quantized(_made(X, y, weight, like, threads), key)


def keep(X: np.ndarray, y: np.ndarray, weight: np.ndarray, like: Quantized | None = None) -> Quantized:
    """Make the matrix and keep it, by one thread, as a process that is to be forked must have no other."""
    key = _key(X, y, weight, like)
    found = _kept.get(key) or Quantized(_made(X, y, weight, like, 1), key)
    if sum(one.matrix.num_row() * one.matrix.num_col() for one in _kept.values()) + X.size <= _MOST:
        _kept[key] = found
    return found


def _made(X: np.ndarray, y: np.ndarray, weight: np.ndarray, like: Quantized | None, threads: int | None) -> Any:
    import xgboost

    # without names, which XGBoost would read again in each round; the booster has them
    return xgboost.QuantileDMatrix(X, y, weight=weight, ref=like.matrix if like else None, nthread=threads)


def _key(X: np.ndarray, y: np.ndarray, weight: np.ndarray, like: Quantized | None) -> bytes:
    digest = hashlib.blake2b(like.key if like else b"", digest_size=32)
    for part in (X, y, weight):
        digest.update(f"{part.dtype}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.digest()
