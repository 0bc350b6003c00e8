"""Files of a run directory: inside it, no links, no larger than they need to be; JSON and YAML as plain data."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from barwise.console.config import safe_loader
from barwise.errors import DataError

MB = 1024 * 1024
JSON_LIMIT = 16 * MB  # run.json of a thousand features is 0.1 MB
YAML_LIMIT = 128 * 1024  # a composed configuration is 3 kB
_YAML_DEPTH = 40
_TEXT_LIMIT = 64 * MB  # a file of JSON lines, or what a trial printed


def inside(folder: Path, *parts: str) -> Path:
    """`folder`/`parts`, a regular file or absent; DataError for a link on the way or a path that leaves the folder."""
    path = Path(folder)
    for part in Path(*parts).parts:
        if part in ("..", "/") or Path(part).is_absolute():
            raise DataError(f"{folder}: {'/'.join(parts)} leaves the run's directory; it is not read")
        path = path / part
        if path.is_symlink():
            raise DataError(f"{path}: is a link; links in a run's directory are not followed, copy the file there")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{path}: is not a regular file; it is not read")
    return path


def folder_inside(folder: Path, *parts: str) -> Path:
    """The same for a folder, which must be there."""
    path = Path(folder)
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise DataError(f"{path}: is a link; links in a run's directory are not followed, copy the folder there")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder in the run's directory")
    return path


def open_regular(path: Path) -> int:
    """A descriptor to read the regular file `path`; nothing else is waited for or read.

    DataError for a link, a pipe, a device, a folder; OSError where it is not there or may not be opened.
    """
    try:
        # A pipe without a writer would block; a link at the end fails.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path}: is a link; links in a run's directory are not followed, copy it there") from None
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise DataError(f"{path}: is not a regular file; it is not read") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: is not a regular file; it is not read")
    return descriptor


def read_bytes(path: Path, limit: int) -> bytes:
    """What the regular file `path` holds, `limit` bytes at most; DataError for more, or for what is no such file."""
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        size = max(len(data), path.stat().st_size)
        raise DataError(f"{path}: has {size / MB:.1f} MB, more than the {limit / MB:g} MB such a file may have")
    return data


def read_text(path: Path, limit: int = _TEXT_LIMIT) -> str:
    """The same as text; bytes that are no UTF-8 are replaced."""
    return read_bytes(path, limit).decode("utf-8", errors="replace")


def ledger_folder(run: Path, given: Any) -> Path | None:
    """The folder with the ledger of trials, which run.json gives relative to the run; None for what is none.

    A run's directory says where others are; it may not send the reader to a place of its choosing by an absolute path.
    """
    if not isinstance(given, str) or not given or os.path.isabs(given):
        return None
    try:
        home = Path(os.path.normpath(os.path.join(os.path.abspath(run), given)))
        return home if home.is_dir() else None
    except (OSError, ValueError):  # too long, or a NUL
        return None


def name_beside(path: Path) -> Path:
    """A name in the same folder that nobody can foresee, for what will be renamed to `path`."""
    return path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")


def check_no_links(folder: Path) -> None:
    """DataError where anything below `folder` is neither a folder nor a regular file with one name.

    For a directory that is going to be written into: a link in it would lead the writing elsewhere.
    """
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            found = path.lstat()
            if not (stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)):
                raise DataError(f"{path}: is a link or no regular file; a run that has one is not written into")


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """The JSON in `path`; DataError where it is no regular file, too large, too deep or no JSON."""
    try:
        return json.loads(read_bytes(path, limit).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON that can be read ({_first_line(error)})") from None


def read_yaml(path: Path, limit: int = YAML_LIMIT) -> Any:
    """The YAML in `path` as plain data; DataError for aliases (which can expand without bound), depth, tags, size."""
    import yaml

    text = read_text(path, limit)
    loader, depth = safe_loader(), 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                raise DataError(f"{path}: has a YAML alias (*{event.anchor}); a composed configuration has none")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _YAML_DEPTH:
                raise DataError(f"{path}: is nested more than {_YAML_DEPTH} levels deep; a configuration is not")
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is not YAML that can be read ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
