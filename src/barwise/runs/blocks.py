"""Files that are kept for later runs: complete on the disk before they have their name, and with checksums."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 2**20  # bytes that have a checksum of their own


class Damaged(Exception):
    """What is wrong with a kept file, in a few words."""


def seal_of(meta: Mapping[str, Any]) -> str:
    """The checksum of what stands beside the numbers."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True, allow_nan=False).encode()).hexdigest()


def too_much(entries: Sequence[tuple[Path, int, float]], most: float, spare: str = "") -> Iterator[Path]:
    """Of what is kept, (where, bytes, when last used) with the longest unused first, what must go for the rest to take
    no more than `most` bytes; `spare`, a name, stays."""
    total = sum(size for _, size, _ in entries)
    for place, size, _ in entries:
        if total <= most:
            return
        if place.name != spare:
            total -= size
            yield place


def checksums(path: Path, size: int | None = None) -> dict[str, Any]:
    """The length of a regular file and the CRC-32 of each BLOCK bytes; Damaged at once where it is not `size` long."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode) or size not in (None, state.st_size):
        os.close(handle)
        raise Damaged(f"{path.name} is no file of {size} bytes" if size else f"{path.name} is no file")
    with open(handle, "rb", buffering=0) as file:
        found, buffer = [], memoryview(bytearray(_BLOCK))
        while n := file.readinto(buffer):
            found.append(zlib.crc32(buffer[:n]))
            if hasattr(os, "posix_fadvise") and state.st_size > 64 * _BLOCK:  # a large one leaves the page cache alone
                os.posix_fadvise(handle, max(0, file.tell() - n), n, os.POSIX_FADV_DONTNEED)
    return {"bytes": state.st_size, "block": _BLOCK, "crc32": found}


def verify(path: Path, told: Mapping[str, Any]) -> None:
    """Damaged where a file is not the one whose `checksums` are told; all of it is read, for bits rot in any block."""
    if told != checksums(path, told["bytes"]):
        raise Damaged(f"{path.name} is not what was written")


def text_of(bytes_: np.ndarray) -> str:
    """Bytes as a text of JSON."""
    return base64.b64encode(zlib.compress(bytes_.tobytes(), 1)).decode()


def bits_of(text: str) -> np.ndarray:
    """What `text_of` was given."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def synced(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cache_folder() -> Path:
    """$BARWISE_CACHE, else barwise in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BARWISE_CACHE") or Path(base) / "barwise")
