"""UBJSON as XGBoost writes it, read with every length checked against the bytes that are there.

Format: the UBJSON draft 12 specification (ubjson.org); XGBoost writes strongly typed arrays for numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_LITERALS = {b"Z": None, b"T": True, b"F": False}
_WIDTH = {kind: np.dtype(name).itemsize for kind, name in _NUMBERS.items()}
_DEPTH = 32


class _Reader:
    """Reads one value after the other; ValueError where the bytes do not hold what they promise."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def value(self, kind: bytes | None = None, depth: int = 0) -> Any:
        """The next value: plain objects, and numpy arrays for typed arrays of numbers."""
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        kind = kind or self._take(1)
        if kind in _NUMBERS:
            return self._number(kind)
        if kind in _LITERALS:
            return _LITERALS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._array(depth)
        raise ValueError(f"unknown marker {kind!r}")

    def _take(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise ValueError(f"{n} bytes are promised at {self.at}, {len(self.data) - self.at} are left")
        self.at += n
        return self.data[self.at - n : self.at]

    def _number(self, kind: bytes) -> int | float:
        found: int | float = np.frombuffer(self._take(_WIDTH[kind]), _NUMBERS[kind])[0].item()
        return found

    def _length(self) -> int:
        kind = self._take(1)
        if kind not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError(f"a length of type {kind!r}")
        length = int(self._number(kind))
        if not 0 <= length <= len(self.data) - self.at:
            raise ValueError(f"a length of {length} with {len(self.data) - self.at} bytes left")
        return length

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.data[self.at : self.at + 1] != b"}":
            name = self._text()
            if name in found:
                raise ValueError(f"{name} comes twice")
            found[name] = self.value(None, depth + 1)
        self.at += 1
        return found

    def _array(self, depth: int) -> Any:
        kind, length = None, None
        if self.data[self.at : self.at + 1] == b"$":
            self.at += 1
            kind = self._take(1)
        if self.data[self.at : self.at + 1] == b"#":
            self.at += 1
            length = self._length()
        if kind in _NUMBERS and length is not None:
            return np.frombuffer(self._take(length * _WIDTH[kind]), _NUMBERS[kind])
        if length is not None:
            return [self.value(kind, depth + 1) for _ in range(length)]
        found = []
        while self.data[self.at : self.at + 1] != b"]":
            found.append(self.value(None, depth + 1))
        self.at += 1
        return found


def parse(data: bytes) -> Any:
    """The one value that `data` holds; ValueError if there is more, or less."""
    reader = _Reader(data)
    found = reader.value()
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after the end")
    return found
