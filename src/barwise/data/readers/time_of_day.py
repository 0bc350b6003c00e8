"""Times of day as written: `9:30`, `093000`, `9:30:00.5`, `9` beside AM or PM."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.readers.zones import HOUR, per_word


def clock_ns(clock: pa.ChunkedArray, half: pa.ChunkedArray) -> np.ndarray:
    """Nanoseconds since midnight of `9:30`, `093000`, `9:30:00.5`, or `9` beside AM or PM; -1 day for no time."""
    if pc.all(pc.match_substring_regex(clock, r"^([01]?\d|2[0-4])$")).as_py() and half.null_count == len(half):
        clock = pc.binary_join_element_wise(clock, "00", ":")  # hours alone
    both = pc.binary_join_element_wise(pc.fill_null(clock, ""), pc.fill_null(half, ""), "|")
    return per_word(both, _clock)


def _clock(text: str) -> int:
    clock, _, half = text.partition("|")
    if not clock:
        return 0
    if ":" in clock:
        parts = re.split(r"[:.,]", clock)
    elif len(clock) <= 2 and half:
        parts = [clock]
    else:
        digits, _, fraction = clock.partition(".")
        digits = digits.zfill(4 if len(digits) <= 4 else 6)
        parts = [
            digits[:2],
            digits[2:4],
            digits[4:6] or "0",
            *([fraction or digits[6:]] if fraction or digits[6:] else []),
        ]
    hour = int(parts[0])
    if re.match(r"[Pp]|下午|午後", half) and hour < 12:
        hour += 12
    elif re.match(r"[Aa]|上午|午前", half) and hour == 12:
        hour = 0
    minute, second = (int(parts[i]) if len(parts) > i else 0 for i in (1, 2))
    nano = int(parts[3].ljust(9, "0")[:9]) if len(parts) > 3 else 0
    if hour > 24 or (hour == 24 and minute + second) or minute > 59 or second > 60:
        return -24 * HOUR
    return hour * HOUR + minute * HOUR // 60 + second * 1_000_000_000 + nano
