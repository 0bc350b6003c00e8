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
from random import SystemRandom
from typing import Any

import numpy as np

_BLOCK = 2**20  # bytes that have a checksum of their own
_DRAWN = 24  # blocks that are compared of a file that nobody wrote since


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


def checksums(path: Path) -> dict[str, Any]:
    """The length of a regular file, the CRC-32 of each BLOCK bytes, and its state: it is never written again."""
    handle, state = _opened(path)
    with open(handle, "rb", buffering=0) as file:
        found, buffer = [], memoryview(bytearray(_BLOCK))
        while n := file.readinto(buffer):
            found.append(zlib.crc32(buffer[:n]))
    return {"bytes": state.st_size, "block": _BLOCK, "crc32": found, "state": _state_of(state)}


def verify(path: Path, told: Mapping[str, Any]) -> None:
    """Damaged where a file is not the one whose `checksums` are told.

    One that was not written since they were taken, by its inode and time, is read in blocks that are drawn anew each
    time, any other one whole.
    """
    handle, state = _opened(path)
    with open(handle, "rb", buffering=0) as file:
        crc = told["crc32"]
        if state.st_size != told["bytes"] or len(crc) != -(-state.st_size // _BLOCK):
            raise Damaged(f"{path.name} is no file of {told['bytes']} bytes")
        some: Sequence[int] = range(len(crc))
        if told.get("state") == _state_of(state) and len(crc) > _DRAWN:
            some = sorted(SystemRandom().sample(some, _DRAWN))
        buffer = memoryview(bytearray(_BLOCK))
        for i in some:
            file.seek(i * _BLOCK)
            if zlib.crc32(buffer[: file.readinto(buffer) or 0]) != crc[i]:
                raise Damaged(f"{path.name} is not what was written")


def _opened(path: Path) -> tuple[int, os.stat_result]:
    """A regular file, open to be read."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        raise Damaged(f"{path.name} is no file")
    return handle, state


def _state_of(state: os.stat_result) -> list[int]:
    """What changes with every write to a file, and not when it is linked or read."""
    return [state.st_ino, state.st_mtime_ns]  # the number of its device is another on another machine


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
