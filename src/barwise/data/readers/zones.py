"""The words of time zones beside times: Z, EST, +01:00, Europe/London."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.errors import DataError

HOUR = 3_600_000_000_000
_WORDS = {
    "Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "HKT": 8,
    "SGT": 8, "AEST": 10, "AEDT": 11, "ACST": 9.5, "AWST": 8, "NZST": 12, "NZDT": 13, "BRT": -3, "WEST": 1,
}  # fmt: skip
_NAMED = {"CST": "America/Chicago", "IST": "Asia/Kolkata", "BST": "Europe/London"}  # each is another zone's too


def zones(zone: pa.ChunkedArray, wall: np.ndarray, where: str) -> tuple[np.ndarray | None, str | None]:
    """(ns ahead of UTC per row, or None), and the one zone's name that stands beside the times."""
    words = [word for word in pc.unique(zone).to_pylist() if word is not None]
    if not words:
        return None, None
    missing = zone.is_null().to_numpy(zero_copy_only=False) & ~np.isnat(wall)
    if missing.any():
        has = int(np.flatnonzero(~missing & ~np.isnat(wall))[0])
        row = int(np.flatnonzero(missing)[0])
        raise DataError(
            f"{where}: mixed time zones: row {has + 1} has {words[0]}, row {row + 1} has none; give every "
            "time its zone, or none of them and set data.timezone"
        )
    named = [_NAMED.get(word, word) for word in words]
    if len(named) == 1 and ("/" in named[0]):
        try:
            ZoneInfo(named[0])
            return None, named[0]
        except (KeyError, ValueError, OSError):
            raise DataError(f"{where}: {words[0]} beside the times is no zone that is known") from None
    unknown = [w for w in words if w.upper() not in _WORDS and not re.search(r"[+-]\d", w)]
    if unknown:
        raise DataError(f"{where}: {unknown[0]} beside the times is no zone that is known; write +01:00 or the like")
    return per_word(zone, offset), None


def offset(word: str | None) -> int:
    """ns ahead of UTC."""
    if word is None:
        return 0
    found = re.fullmatch(r"[A-Za-z]*([+-])(\d{1,2}):?(\d\d)?", word)
    if found:
        size = int(found[2]) * HOUR + int(found[3] or 0) * HOUR // 60
        return size if found[1] == "+" else -size
    return int(_WORDS.get(word.upper(), 0) * HOUR)


def all_zulu(zones: pa.ChunkedArray) -> bool:
    return all(word in ("Z", "+00:00", "+0000", "+00", None) for word in pc.unique(zones).to_pylist())


def per_word(words: pa.ChunkedArray, of: object) -> np.ndarray:
    """int64 per row, by what each different word means."""
    coded = pc.dictionary_encode(words, null_encoding="encode").combine_chunks()
    values = np.array([of(word) for word in coded.dictionary.to_pylist()], np.int64)  # type: ignore[operator]
    return values[coded.indices.to_numpy(zero_copy_only=False)] if len(values) else np.zeros(len(words), np.int64)
