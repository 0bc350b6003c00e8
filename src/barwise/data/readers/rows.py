"""The rows of a table once read: times, symbols and numbers side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from barwise.data.checks import BarFinding
from barwise.data.groups import Codes


@dataclass
class Rows:
    """The columns of a table, read: `time` in UTC or of dates, `groups` the code of each row's symbol in `symbols`.

    `words`: columns of words, as codes.
    """

    time: np.ndarray
    days: bool
    naive: bool
    groups: np.ndarray
    symbols: list[str]
    values: dict[str, np.ndarray]
    unread: list[BarFinding]
    raw_times: Callable[[int], str]
    keep: np.ndarray
    order: str | None = None
    words: dict[str, Codes] = field(default_factory=dict)
