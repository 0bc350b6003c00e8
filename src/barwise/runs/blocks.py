"""Files that are kept for later runs: complete on the disk before they have their name, and with checksums."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import Any

BLOCK = 2**20  # bytes that have a checksum of their own


class Damaged(Exception):
    """What is wrong with a kept file, in a few words."""


def checksums(path: Path, size: int | None = None) -> dict[str, Any]:
    """The length of a regular file and the CRC-32 of each BLOCK bytes; Damaged at once where it is not `size` long."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode) or size not in (None, state.st_size):
        os.close(handle)
        raise Damaged(f"{path.name} is no file of {size} bytes" if size else f"{path.name} is no file")
    with open(handle, "rb", buffering=0) as file:
        found, buffer = [], memoryview(bytearray(BLOCK))
        while n := file.readinto(buffer):
            found.append(zlib.crc32(buffer[:n]))
            if hasattr(os, "posix_fadvise") and state.st_size > 64 * BLOCK:  # a large one leaves the page cache alone
                os.posix_fadvise(handle, max(0, file.tell() - n), n, os.POSIX_FADV_DONTNEED)
    return {"bytes": state.st_size, "block": BLOCK, "crc32": found}


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
