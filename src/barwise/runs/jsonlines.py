"""Files of JSON lines that many processes append to: one way to write them and one to read them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from barwise.console.printing import notice
from barwise.errors import DataError
from barwise.runs.directory import plain
from barwise.safety.files import open_regular

_LIMIT = 1024**3  # bytes; a million trials are 0.5 GB
Valid = Callable[[dict[str, Any]], bool]


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add `entry` as one line, in one write: whole or not at all; safe when several processes write.

    DataError where `path` is a link or no regular file, OSError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError) as error:  # a file is there; or a system that makes no folders
        raise DataError(f"{path.parent}: no folder can be made there ({error.strerror}); name another one") from None
    line = json.dumps(plain(entry), sort_keys=True).encode() + b"\n"
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise DataError(f"{path}: is a link or no file; nothing is appended to it") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise DataError(f"{path}: is not a regular file; nothing is appended to it")
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":  # a writer died within its line
            line = b"\n" + line
        _write(file, line, size, path)
    finally:
        os.close(file)


def _write(file: int, line: bytes, size: int, path: Path) -> None:
    """The whole line, or the file as it was."""
    try:
        written = os.write(file, line)
        if written < len(line):  # no room for the rest
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        os.ftruncate(file, size)
        raise OSError(error.errno, error.strerror, str(path)) from None


def read(path: Path, valid: Valid = bool) -> list[dict[str, Any]]:
    """The entries of `path`, oldest first, those for which `valid` is true; none where there is no such file.

    A line that is torn, or no such entry, is left out; standard error says how many there are, once.
    """
    found, damaged = [], 0
    for line in _bytes(path).split(b"\n"):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            sound = isinstance(entry, dict) and valid(entry)
        except (ValueError, RecursionError, TypeError, KeyError, ArithmeticError, AttributeError):
            sound = False
        if sound:
            found.append(entry)
        else:
            damaged += 1
    if damaged:
        _tell(f"{path}: {damaged} {'line is' if damaged == 1 else 'lines are'} damaged and left out")
    return found


def _bytes(path: Path) -> bytes:
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    with os.fdopen(file, "rb") as stream:
        size = os.fstat(file).st_size
        if size > _LIMIT:
            raise DataError(f"{path}: has {size / 1e9:.1f} GB; at most {_LIMIT / 1e9:.1f} GB are read")
        fcntl.flock(file, fcntl.LOCK_SH)
        return stream.read(_LIMIT)


@cache
def _tell(message: str) -> None:
    notice(message)
