"""A matrix on its way into the store, whole or not at all, and read back only as it was written."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from barwise.data.bars import Bars
from barwise.data.memmap import create, finish, in_parts, release
from barwise.errors import DataError
from barwise.features.matrix import FeatureMatrix, Room, in_memory
from barwise.runs.blocks import Damaged, checksums, seal_of, synced, verify
from barwise.runs.directory import plain, write_text
from barwise.safety.files import inside, read_json

Facts = dict[str, Any]


class Made(NamedTuple):
    """A matrix, the facts that are kept beside it, and whether it carries on what was kept of its first bars."""

    matrix: FeatureMatrix
    facts: Facts
    carried_on: bool = False


class Make(Protocol):
    """What makes a matrix in some room: all of it, or what `base` has not."""

    def __call__(self, room: Room, base: Kept | None = None) -> Made: ...


Windows = Mapping[str, int | None]
META, _X_FILE, _MORE_FILE = "meta.json", "X.npy", "more.npy"
_MOST_MORE = 0.2  # of the rows of the file that is carried on


@dataclass(frozen=True)
class Kept:
    """A matrix as it was kept. `seconds`: what building it took. `windows`: as `spot_check.windows_of` measured them.
    `seal`: the checksum of what stands beside the numbers. `history`: see `extend.History`."""

    matrix: FeatureMatrix
    facts: Facts
    seconds: float
    windows: Windows
    seal: str
    history: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Making:
    """A matrix that is being made. Of what is not kept nothing is left but what is mapped.

    `home`: where matrices lie. `maps(bytes)`: whether one of that size is built in its file.
    """

    home: Path
    maps: Callable[[int], bool]
    beside: Path | None = field(default=None, init=False)

    def __enter__(self) -> Making:
        return self

    def __exit__(self, *_: object) -> None:
        if self.beside is not None:
            shutil.rmtree(self.beside, ignore_errors=True)  # what is mapped stays readable

    def room(self, shape: tuple[int, int], forks: bool = True) -> np.ndarray:
        """In memory, or in a file that is mapped where the store wants that; DataError without room on the disk."""
        if not self.maps(4 * prod(shape)):
            return in_memory(shape, forks)
        if self.beside is not None:  # of a try that came to nothing
            shutil.rmtree(self.beside, ignore_errors=True)
        try:
            self.beside = self._folder()
        except OSError as error:
            raise DataError(
                f"features: a matrix larger than memory needs a folder to lie in, and {self.home} cannot be written"
                f" ({error.strerror}); set cache.folder"
            ) from None
        return create(self.beside / _X_FILE, shape)

    def keep(self, folder: Path, kept: Kept, bars: Sequence[Bars], base: Path | None = None) -> bool:
        """Write a matrix whole or not at all: beside its place, complete on the disk, then renamed into it.

        Of one that carries on what lies in `base`, whose bytes were compared just now, only the rows that are new are
        written, beside a link to its file; whether that was so.
        """
        places = {b.symbol: i for i, b in enumerate(bars)}
        matrix = kept.matrix
        pieces = None if base is None or self.beside is not None else self._carried_on(base, matrix)
        if self.beside is None:
            self.beside = self._folder()
            np.save(self.beside / _X_FILE, matrix.X, allow_pickle=False)
        elif pieces is None:
            finish(matrix.X, self.beside / _X_FILE)
        if pieces is None:
            synced(self.beside / _X_FILE)
            pieces = {"X": checksums(self.beside / _X_FILE)}
        meta = plain({
            "key": folder.name, "names": matrix.names, "kept": [places[b.symbol] for b in matrix.bars],
            "offsets": matrix.offsets, "warmup": matrix.warmup, "left_out": matrix.left_out, "facts": kept.facts,
            "seconds": kept.seconds, "windows": dict(kept.windows), "history": dict(kept.history),
            **pieces,
        })  # fmt: skip
        write_text(self.beside / META, json.dumps({**meta, "seal": seal_of(meta)}))
        synced(self.beside / META)
        synced(self.beside)
        os.rename(self.beside, folder)
        synced(self.home)
        return "first" in pieces

    def _carried_on(self, base: Path, matrix: FeatureMatrix) -> dict[str, Any] | None:
        """Link the file in `base` and write the rows that it lacks; what meta.json says of them. None where it is
        better written whole."""
        meta = meta_of(base)
        first, rows = _pieces(meta)
        symbols = list(meta["history"]["bars"])
        known = {symbol: (f, n) for symbol, f, n in zip(symbols, first, rows, strict=True)}
        begins = [known.get(b.symbol, (0, 0)) for b in matrix.bars]
        more = [matrix.X[low + n : high] for low, high, (_, n) in zip(matrix.offsets[:-1], matrix.offsets[1:], begins,
                                                                      strict=True)]  # fmt: skip
        if sum(map(len, more)) > _MOST_MORE * sum(rows):
            return None
        self.beside = self._folder()
        try:
            os.link(base / _X_FILE, self.beside / _X_FILE, follow_symlinks=False)
        except OSError:  # a disk without links
            shutil.rmtree(self.beside)
            self.beside = None
            return None
        np.save(self.beside / _MORE_FILE, np.concatenate(more), allow_pickle=False)
        synced(self.beside / _MORE_FILE)
        firsts, counts = zip(*begins, strict=True)
        return {"X": meta["X"], "first": firsts, "rows": counts, "more": checksums(self.beside / _MORE_FILE)}

    def _folder(self) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".making-", dir=self.home))


def _pieces(meta: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Of each symbol the first row in the file that was carried on, and how many it has there."""
    offsets = np.asarray(meta["offsets"], dtype=np.int64)
    return meta.get("first", offsets[:-1].tolist()), meta.get("rows", np.diff(offsets).tolist())


def _joined(X: np.ndarray, more: np.ndarray, meta: Mapping[str, Any], offsets: np.ndarray) -> np.ndarray:
    """The matrix whose rows lie in two files, in memory."""
    found = in_memory((int(offsets[-1]), X.shape[1]), forks=False)
    done = 0
    for low, high, first, n in zip(offsets[:-1], offsets[1:], *_pieces(meta), strict=True):
        found[low : low + n] = X[first : first + n]
        found[low + n : high] = more[done : done + high - low - n]
        done += high - low - n
    release(X)
    if done != len(more):
        raise Damaged(f"{_MORE_FILE} has another length than {META} says")
    found.flags.writeable = False
    return found


def read_kept(folder: Path, bars: Sequence[Bars], maps: Callable[[int], bool] | None = None) -> Kept | None:
    """The matrix in `folder`, memory-mapped and not writable; None where there is none, Damaged where it is not what
    was written. One in two files is put together in memory; None if it is too large for that (`maps`)."""
    if not folder.exists() and not folder.is_symlink():
        return None
    try:
        meta = meta_of(folder)
        verify(folder / _X_FILE, meta["X"])
        X = np.load(folder / _X_FILE, mmap_mode="r", allow_pickle=False)
        in_parts(X)
        own = tuple(bars[i] for i in meta["kept"])
        offsets = np.asarray(meta["offsets"], dtype=np.int64)
        if "first" in meta:
            if maps is not None and maps(4 * int(offsets[-1]) * X.shape[1]):
                return None
            verify(folder / _MORE_FILE, meta["more"])
            X = _joined(X, np.load(folder / _MORE_FILE, mmap_mode="r", allow_pickle=False), meta, offsets)
        names = tuple(meta["names"])
        right = X.dtype == np.float32 and X.shape == (int(offsets[-1]), len(names)) and X.flags.c_contiguous
        if not right or np.diff(offsets).tolist() != [len(b) for b in own]:
            raise Damaged(f"{_X_FILE} has another shape than {META} says")
        left_out = tuple((str(s), str(why)) for s, why in meta["left_out"])
        matrix = FeatureMatrix(X, names, own, offsets, np.asarray(meta["warmup"], dtype=np.int64), left_out)
        kept = Kept(matrix, dict(meta["facts"]), float(meta["seconds"]), dict(meta["windows"]), meta["seal"])
        os.utime(folder / META)  # used now
        return kept
    except OSError as error:
        raise Damaged(f"{Path(str(error.filename or folder)).name}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, OverflowError) as error:
        raise Damaged(f"{META} or {_X_FILE} cannot be read ({type(error).__name__})") from None


def meta_of(folder: Path) -> dict[str, Any]:
    """What is said of the matrix in `folder`; Damaged where it is not what was written, or of another one."""
    if folder.is_symlink() or not folder.is_dir():
        raise Damaged("is no folder")
    path = inside(folder, META)
    if not path.is_file():
        raise Damaged(f"there is no {META}")
    meta = read_json(path)
    if not isinstance(meta, dict) or meta.get("seal") != seal_of({k: v for k, v in meta.items() if k != "seal"}):
        raise Damaged(f"{META} is not what was written")
    if meta.get("key") != folder.name:
        raise Damaged("it is another matrix's")
    return meta
