"""A full disk, a limit, a read-only file system, memory that gave out: one line, whichever library met it."""

from __future__ import annotations

import errno
import os
import re

from barwise.errors import BarwiseError, chain_of

_REMEDIES = {
    errno.ENOSPC: ("no space left on the disk", "make room"),
    errno.EDQUOT: ("the disk quota is used up", "make room"),
    errno.EFBIG: ("is larger than a file may be", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the file system is read-only", "write elsewhere: output_dir=DIR, or mount it writable"),
    errno.EACCES: ("permission denied", "give yourself the right, or write elsewhere: output_dir=DIR"),
    errno.EPERM: ("not permitted", "give yourself the right, or write elsewhere: output_dir=DIR"),
    errno.ENOTDIR: ("a part of it is a file and no folder", "name a folder: output_dir=DIR"),
    errno.ENAMETOOLONG: ("the name is too long", "name a shorter one: output_dir=DIR"),
    errno.ELOOP: ("its links lead nowhere", "name a folder: output_dir=DIR"),
    errno.EIO: ("the disk failed", "look after the disk"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many files are open on this machine", "close some"),
}
_STORED_NOT = tuple(  # as libraries say it that do not raise OSError
    (re.compile(pattern, re.IGNORECASE), number)
    for pattern, number in (
        (r"no space left|disk is full|os error 28\b|\d+ requested and \d+ written", errno.ENOSPC),
        (r"failed writing file|write incomplete", errno.ENOSPC),
        (r"file too large|os error 27\b", errno.EFBIG),
        (r"read-only file system|readonly database|os error 30\b", errno.EROFS),
        (r"quota exceeded|os error 122\b", errno.EDQUOT),
        (r"disk I/O error|input/output error|os error 5\b", errno.EIO),
        (r"permission denied|os error 13\b|not available for writes|unable to open database file", errno.EACCES),
        (r"too many open files|os error 24\b", errno.EMFILE),
    )
)
_OUT_OF_MEMORY = re.compile(r"out of memory|std::bad_alloc|cannot allocate memory|unable to allocate", re.IGNORECASE)


def shortage(error: BaseException) -> str | None:
    """What to say where a disk, a limit or memory gave out, or nothing may be written; None for any other error."""
    for link in chain_of(error):
        number = storage_number(link)
        if number is not None:
            what, remedy = _REMEDIES[number]
            return f"{_where(link)}: {what}; {remedy}"
        if isinstance(link, MemoryError) or _OUT_OF_MEMORY.search(str(link)[:1000]):
            told = f" ({link})" if str(link) else ""
            return (
                f"out of memory{told}; take fewer symbols, features or models at once, a smaller batch,"
                " cache.mapped=true, or a machine with more"
            )
    return None


def _where(error: BaseException) -> str:
    """The file, else what the error itself says of it."""
    name = getattr(error, "filename", None)
    if isinstance(name, bytes | str):
        return os.fsdecode(name)
    return "the output" if isinstance(error, OSError) else f"{type(error).__name__} ({str(error)[:200]})"


def storage_number(error: BaseException) -> int | None:
    """The errno of an error that says that something could not be stored, whichever library raised it."""
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        return error.errno
    if isinstance(error, BarwiseError | KeyboardInterrupt):
        return None
    text = str(error)[:1000]
    return next((number for pattern, number in _STORED_NOT if pattern.search(text)), None)
