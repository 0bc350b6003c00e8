"""The files that a path means: folders with what is below them, globs, archives; what is passed over is told."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from barwise.data.names import RANK, plain
from barwise.data.notes import Notes, listed
from barwise.errors import BarwiseError, DataError

_TEXT = (".csv", ".txt", ".tsv", ".tab", ".psv", ".asc", ".prn", ".dat")
JSON = (".json", ".jsonl", ".ndjson")
BINARY = (".parquet", ".pq", ".feather", ".ft", ".arrow", ".ipc")
_PACKED = (".gz", ".bz2", ".xz", ".zst")
SHOWN = ".csv, .txt, .tsv, .json, .parquet, .feather, .zip, and .gz, .bz2, .xz or .zst of text"
UNSURE = (".txt", ".dat", ".asc", ".prn", *JSON)  # in a folder these may be notes or settings
_LARGEST = 16 * 2**30  # bytes that one packed file may unpack to
_RATIO = 2000  # and how many times its size: prices pack to a fifth


@dataclass(frozen=True)
class Source:
    """One file: `where` names it in messages, `stem` is its name without endings, `folder` the name of its folder.

    `keys`: what hive folders say (`symbol=AAPL`); `data` gives its bytes, unpacked; `path`: where it can be mapped.
    """

    where: str
    stem: str
    ending: str
    folder: str
    keys: tuple[tuple[str, str], ...]
    data: Callable[[], bytes]
    path: Path | None
    listed: bool  # found in a folder or a glob, not named by the user
    file: Path = Path()  # that it lies in
    opened: Callable[[], Any] | None = None  # where it can be read in pieces that are no file of this machine

    @property
    def symbol(self) -> str | None:
        """What a hive folder says of the symbol."""
        ranked = [(RANK["symbol"][plain(key)], value) for key, value in self.keys if plain(key) in RANK["symbol"]]
        return min(ranked)[1] if ranked else None


def endings(name: str) -> tuple[str, str]:
    """(`.csv`, `.gz`) of `A.csv.gz`; two empty strings where the format is none that is read."""
    lower = name.lower()
    packed = next((end for end in _PACKED if lower.endswith(end)), "")
    inner = lower[: len(lower) - len(packed)] if packed else lower
    kind = next((end for end in (*_TEXT, *JSON, *(() if packed else BINARY)) if inner.endswith(end)), "")
    return (kind, packed) if kind else ("", "")


def find(path: str, notes: Notes) -> list[Source]:
    """The files that `path` means, in the order of their names. DataError if there are none."""
    start = Path(path).expanduser()
    if start.is_dir():
        every = sorted(p for p in start.rglob("*") if p.is_file())
        found, passed = _taken(start, every)
        if not found:
            raise DataError(f"data.path={path}: the folder holds no file ending in {SHOWN}")
    elif start.exists():
        found, passed = list(_source(start, start.parent, False)), []
        if not found:
            raise DataError(f"{path}: is not a kind of file that is read, by its name; {SHOWN} are")
    else:
        matched = sorted(Path(p) for p in glob.glob(str(start), recursive=True) if Path(p).is_file())
        if not matched:
            kind = "matches no file" if glob.has_magic(path) else "is not there"
            here = "" if start.is_absolute() else f"; paths count from the folder you run in ({Path.cwd().name}/)"
            raise DataError(f"data.path={path}: {kind}{here}")
        found, passed = _taken(Path(glob.escape(str(start))).parent, matched)
        if not found:
            raise DataError(f"data.path={path}: matches {listed(passed)}, which are no files ending in {SHOWN}")
    if passed:
        notes.warn(path, f"{listed(passed)} passed over: not a kind of file that is read")
    return found


def _taken(start: Path, files: list[Path]) -> tuple[list[Source], list[str]]:
    found: list[Source] = []
    passed: list[str] = []
    for file in files:
        hidden = any(part.startswith((".", "_")) for part in file.parts[len(start.parts) :])
        inside = [] if hidden else list(_source(file, start, True))
        found += inside
        if not inside:
            passed.append(file.name)
    return found, passed


def _source(file: Path, start: Path, listed_: bool) -> Iterator[Source]:
    folders = file.parent.parts[len(start.parts) :] if file.is_relative_to(start) else ()
    if file.name.lower().endswith(".zip"):
        yield from _zipped(file, folders, listed_)
        return
    kind, packed = endings(file.name)
    if kind:
        stem = file.name[: -len(kind + packed)]
        read = partial(_unpacked, file, packed) if packed else file.read_bytes
        keys = keys_of(folders)
        yield Source(
            str(file),
            stem,
            kind,
            folder_of(folders, file.parent.resolve().name),
            keys,
            read,
            None if packed else file,
            listed_,
            file,
        )


def _zipped(file: Path, folders: tuple[str, ...], listed_: bool) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as a zip archive: {_reason(error)}") from None
    kept = [m for m in members if endings(m.filename)[0] and not _hidden(m.filename)]
    if not kept:
        raise DataError(f"{file}: the archive holds no file ending in {SHOWN}")
    total = sum(m.file_size for m in kept)
    if total > _LARGEST or total > _RATIO * max(file.stat().st_size, 1024):
        raise DataError(f"{file}: would unpack to {total / 2**20:,.0f} MB; unpack it yourself if you trust it")
    for member in kept:
        kind, packed = endings(member.filename)
        inner = PurePosixPath(member.filename)
        where = str(file) if len(kept) == 1 else f"{file}/{member.filename}"
        read = partial(_member, file, member.filename, packed)
        parts = (*folders, *inner.parent.parts)
        folder = folder_of(parts, file.parent.resolve().name)
        yield Source(where, inner.name[: -len(kind + packed)], kind, folder, keys_of(parts), read,
                     None, listed_ or len(kept) > 1, file)  # fmt: skip


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)


def folder_of(folders: tuple[str, ...], otherwise: str) -> str:
    """The innermost folder that is no partition."""
    plain_ones = [part for part in folders if "=" not in part]
    return plain_ones[-1] if plain_ones else otherwise


def keys_of(folders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What hive folders say: (`symbol`, `AAPL`) of `symbol=AAPL`."""
    pairs = (part.split("=", 1) for part in folders if re.fullmatch(r"\w[\w .-]*=.+", part))
    return tuple((key, unquote(value)) for key, value in pairs)


def _unpacked(file: Path, packed: str) -> bytes:
    """The bytes of a packed file. DataError where it is broken or unpacks to more than memory should hold."""
    return unpacked_bytes(file.read_bytes(), packed, str(file))


def _member(file: Path, name: str, packed: str) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive, archive.open(name) as member:
            data = member.read()
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise DataError(f"{file}: {name} cannot be read: {_reason(error)}") from None
    return unpacked_bytes(data, packed, f"{file}/{name}") if packed else data


def unpacked_bytes(data: bytes, packed: str, where: str) -> bytes:
    """What packed bytes hold. DataError as for `unpacked`."""
    most = min(_LARGEST, _RATIO * max(len(data), 1024))
    try:
        with pa.BufferReader(data) as raw:
            if packed == ".zst":
                stream = pa.CompressedInputStream(raw, "zstd")
            else:
                openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
                stream = openers[packed](raw)
            with stream:
                out = bytes(stream.read(most + 1))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise DataError(f"{where}: cannot be unpacked: {_reason(error)}") from None
    if len(out) > most:
        raise DataError(f"{where}: unpacks to more than {most / 2**20:,.0f} MB; unpack it yourself if you trust it")
    return out


@contextmanager
def foreign(where: str) -> Iterator[None]:
    """Whatever a library says of a file that is damaged ends in one line: no list of what each may raise is whole."""
    try:
        yield
    except BarwiseError:
        raise
    except MemoryError as error:
        raise DataError(f"{where}: needs more memory than there is ({_reason(error)})") from error
    except Exception as error:
        raise DataError(f"{where}: cannot be read, it is damaged ({type(error).__name__}: {_reason(error)})") from error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
