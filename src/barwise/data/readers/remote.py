"""Files at an address: s3:// and gs:// by Arrow's file systems, https:// by fsspec; read in pieces, as needed."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as fs

from barwise.console.secrets import holds_secret, masked
from barwise.data.notes import Notes, listed
from barwise.data.readers.sources import BINARY, SHOWN, Source, endings, folder_of, keys_of, unpacked_bytes
from barwise.errors import BarwiseError, ConfigError, DataError, require

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ARROW = ("s3", "gs", "gcs", "hdfs", "abfs", "abfss")
_WEB = ("http", "https")
_GLOB = re.compile(r"[*?\[]")


def is_remote(path: str) -> bool:
    """Whether `path` is an address; a letter before :// would be a drive."""
    return _ADDRESS.match(path) is not None


def find(path: str, notes: Notes) -> list[Source]:
    """The files at an address: one file, all below a folder, or those that match * and ?. DataError if there are none.

    Who may read is said by the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, Google's default
    credentials); an address that holds a secret is refused.
    """
    where = f"data.path={masked(path)}"
    if masked(path) != path:
        raise holds_secret("data.path", path)
    system, inner = _system(path, where)
    try:
        found = list(_files(system, inner, path))
    except BarwiseError:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DataError(f"{where}: cannot be listed: {' '.join(str(error).split())[:160]}") from None
    kept = [(name, size) for name, size in found if endings(name)[0]]
    passed = [name.rpartition("/")[2] for name, _ in found if not endings(name)[0]]
    if not kept:
        raise DataError(f"{where}: there is no file ending in {SHOWN}")
    if passed:
        notes.warn(path, f"{listed(passed)} passed over: not a kind of file that is read")
    scheme = path.partition("://")[0]
    base = inner if not _GLOB.search(inner) else inner[: _GLOB.search(inner).start()].rpartition("/")[0]  # type: ignore[union-attr]
    return [_source(system, name, scheme, base, len(kept) > 1) for name, _ in sorted(kept)]


def _system(path: str, where: str) -> tuple[fs.FileSystem, str]:
    scheme = _ADDRESS.match(path)[1].lower()  # type: ignore[index]
    require(
        scheme in (*_ARROW, *_WEB, "file"),
        f"{where}: {scheme}:// is not spoken; {', '.join(f'{one}://' for one in (*_ARROW[:3], *_WEB))} are",
    )
    if scheme in _WEB:
        try:
            from fsspec.implementations.http import HTTPFileSystem
        except ImportError:
            raise ConfigError(f"{where}: needs fsspec and aiohttp; pip install 'barwise[https]'") from None
        return fs.PyFileSystem(fs.FSSpecHandler(HTTPFileSystem())), path
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        if scheme == "s3" and endpoint:  # which from_uri does not look at
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
            return fs.S3FileSystem(endpoint_override=endpoint, region=region), path.partition("://")[2].partition("?")[
                0
            ]
        system, inner = fs.FileSystem.from_uri(path)
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(f"{where}: {' '.join(str(error).split())[:160]}") from None
    return system, inner


def _files(system: fs.FileSystem, inner: str, path: str) -> Iterator[tuple[str, int]]:
    """(name, bytes) of each file that is meant."""
    if urlsplit(path).scheme.lower() in _WEB:
        (info,) = system.get_file_info([inner])
        if info.type != fs.FileType.File:
            raise DataError(f"data.path={path}: is not there")
        yield inner, info.size or 0
        return
    found = _GLOB.search(inner)
    base = inner[: found.start()].rpartition("/")[0] if found else inner.rstrip("/")
    if not found:
        (info,) = system.get_file_info([base])
        if info.type == fs.FileType.File:
            yield info.path, info.size
            return
        if info.type == fs.FileType.NotFound:
            raise DataError(f"data.path={path}: is not there")
    for info in system.get_file_info(fs.FileSelector(base, allow_not_found=True, recursive=True)):
        hidden = any(part.startswith((".", "_")) for part in info.path[len(base) :].strip("/").split("/"))
        if info.type == fs.FileType.File and not hidden and (not found or fnmatch.fnmatch(info.path, inner)):
            yield info.path, info.size


def _source(system: fs.FileSystem, name: str, scheme: str, base: str, several: bool) -> Source:
    kind, packed = endings(name)
    folders = tuple(name[len(base) :].strip("/").split("/")[:-1]) if name.startswith(base) else ()
    last = name.rpartition("/")[2]
    where = name if "://" in name else f"{scheme}://{name}"
    folder = folder_of(folders, name.split("/")[-2] if "/" in name else "")
    return Source(
        where, last[: len(last) - len(kind + packed)], kind, folder,
        keys_of(folders), partial(_bytes, system, name, packed, where), None, several,
        opened=partial(_opened, system, name, where) if kind in BINARY else None,
    )  # fmt: skip


def _bytes(system: fs.FileSystem, name: str, packed: str, where: str) -> bytes:
    with _told(where), system.open_input_stream(name, compression=None) as stream:
        data: bytes = stream.read()
    return unpacked_bytes(data, packed, where) if packed else data


def _opened(system: fs.FileSystem, name: str, where: str) -> Any:
    with _told(where):
        return system.open_input_file(name)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What a server says, in one line."""
    try:
        yield
    except BarwiseError:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DataError(f"{where}: cannot be read: {masked(' '.join(str(error).split()))[:160]}") from None
