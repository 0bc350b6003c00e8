"""output.log of a trial: what it printed, of which the beginning and the end are kept."""

from __future__ import annotations

import os
from pathlib import Path

OUTPUT = "output.log"  # what the trial printed, and where it hung or crashed
_MOST = 8 * 2**20  # bytes before the middle is taken out
_HEAD, _TAIL = 2**20, 2**20  # bytes that are kept then


def trim(path: Path) -> None:
    """Take the middle out of the file once it is large; whoever appends to it meanwhile goes on at its end."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        size = os.fstat(file).st_size
        if size > _MOST:
            end = os.pread(file, _TAIL, size - _TAIL)
            os.ftruncate(file, _HEAD)
            os.write(file, f"\n… {size - _HEAD - _TAIL:,} bytes left out …\n".encode() + end)
    except OSError:
        return
    finally:
        os.close(file)
