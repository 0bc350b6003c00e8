"""Hashes of the contents of files, remembered until a file is written to: a large source is not read to be known."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from barwise.errors import DataError
from barwise.runs.directory import write_json
from barwise.safety.files import read_json

_SETTLED = 2.0  # seconds: of a file that was written so shortly ago a second write may leave the same time
_MOST = 100_000  # files that are remembered


def hashes(paths: Iterable[Path], memory: Path) -> list[tuple[str, str]]:
    """(path, hash of what is in it) of each file; `memory`: the file of JSON where they are remembered.

    A file is known again by its inode, length, and the times of its last write and of its last change of any kind,
    which no program sets.
    """
    try:
        found = read_json(memory)
        known: dict[str, Any] = found if isinstance(found, dict) else {}
    except (DataError, OSError):
        known = {}
    out, new = [], {}
    for path in paths:
        place, state = os.path.abspath(path), _state(path)
        old = known.get(place)
        if isinstance(old, list) and old[:-1] == state and isinstance(old[-1], str):
            out.append((str(path), old[-1]))
            continue
        since = time.time()
        out.append((str(path), _contents(path)))
        if since - max(state[-2:]) / 1e9 > _SETTLED and _state(path) == state:
            new[place] = [*state, out[-1][1]]
    if new:
        with suppress(OSError):  # they are read again next time
            write_json(memory, dict([*known.items(), *new.items()][-_MOST:]))
    return out


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _contents(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
