"""Short keys of markets and of settings, to tell trials apart by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from barwise.runs.directory import plain


def digest(value: Any) -> str:
    """A short hash of `value` as canonical JSON."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def market_of(symbols: Iterable[str], bar_size: str) -> str:
    """Symbols and bar size as one name; a new bar does not make a new market."""
    return digest([sorted(symbols), bar_size])
