"""Matrices larger than memory: mapped from a file, read in blocks whose pages are let go of.

A matrix of type `np.memmap` is such a one: whoever meets it copies blocks only. All others are plain arrays.
"""

from __future__ import annotations

import gc
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from barwise.errors import ConfigError, DataError

BLOCK = 2**25  # bytes of a matrix that are copied at once: 32 MB, beside which the arithmetic on them fits anywhere
_FOLIO = 2**21  # bytes that Linux may map at once where a file is read
_AHEAD = 2**17  # bytes that Linux reads ahead at once; of more it reads no more
_FEW = 32  # rows: of a stretch or of all, for which asking the system costs more than it saves
_CGROUP = Path("/sys/fs/cgroup")


def on_disk(X: np.ndarray) -> bool:
    """Whether `X` is larger than memory, to be read in blocks."""
    return isinstance(X, np.memmap) or bool(getattr(X, "on_disk", False))


def release(X: np.ndarray) -> None:
    """Let go of the memory that a mapped matrix's pages hold; they come back from the file when they are read."""
    if hasattr(X, "release"):  # a view of one
        X.release()
        return
    file = _file_of(X)
    if file is not None and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


def _file_of(X: Any) -> Any:
    """The mapping of the file that a matrix lies in, be it read as if it lay in memory; None for one of memory."""
    while isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
        X = X.base
    return X._mmap if isinstance(X, np.memmap) else None  # type: ignore[attr-defined]


def in_parts(X: np.ndarray) -> None:
    """Of the file that `X` is mapped from, read what is asked for and nothing beside it: a fold's rows are few pages of
    each symbol, and the file may lie on another machine."""
    file = _file_of(X)
    if file is not None and hasattr(mmap, "MADV_RANDOM"):
        file.madvise(mmap.MADV_RANDOM)


def _expect(X: np.ndarray, rows: np.ndarray) -> None:
    """Have the pages of many rows read at once, each stretch of rows as a whole."""
    file = _file_of(X) if rows.ndim == 1 and len(rows) >= _FEW else None
    if file is None or not hasattr(mmap, "MADV_WILLNEED"):
        return
    cuts = np.flatnonzero(np.abs(np.diff(rows)) * X.strides[0] > mmap.PAGESIZE) + 1
    if len(cuts) * _FEW > len(rows):
        return  # scattered
    begin = X.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
        at = begin + int(rows[low:high].min()) * X.strides[0]
        end = begin + (int(rows[low:high].max()) + 1) * X.strides[0]
        for piece in range(at - at % mmap.PAGESIZE, end, _AHEAD):
            file.madvise(mmap.MADV_WILLNEED, piece, min(_AHEAD, end - piece))


def blocks(X: np.ndarray, n: int) -> Iterator[slice]:
    """Slices of `n` rows that are chosen from `X`, of BLOCK bytes of it each; pages are let go of in between."""
    step = max(1, BLOCK // max(1, X.itemsize * prod(X.shape[1:])))
    for low in range(0, n, step):
        yield slice(low, min(n, low + step))
        release(X)


def gather(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`X[rows]`; of a mapped matrix a stretch at a time, for each row that is read brings up to FOLIO bytes with it."""
    _expect(X, rows)
    if not on_disk(X):
        result: np.ndarray = X[rows]
        return result
    places, flat = rows.ravel() * X.strides[0] // _FOLIO, rows.ravel()
    moves = np.cumsum(np.append(0, places[1:] != places[:-1])) if len(flat) else places
    found = np.empty((len(flat), X.shape[1]), X.dtype)
    for part in np.split(np.arange(len(flat)), np.flatnonzero(np.diff(moves // (BLOCK // _FOLIO + 1))) + 1):
        found[part] = X[flat[part]]
        release(X)
    return found.reshape(*rows.shape, X.shape[1])


def create(path: Path, shape: tuple[int, int]) -> np.memmap:
    """A float32 .npy file of that shape, mapped and writable; DataError where the disk has no room for it.

    The room is taken at once: a mapping that finds the disk full later ends the process.
    """
    size = 4 * prod(shape)
    free = shutil.disk_usage(path.parent).free
    if free > size:
        X: np.memmap = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        try:
            if hasattr(os, "posix_fallocate"):
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            return X
        except OSError:
            free = shutil.disk_usage(path.parent).free
    raise DataError(
        f"features: a matrix of {size / 2**30:.1f} GB, larger than memory, needs as much disk; {path.parent.parent} has"
        f" {free / 2**30:.1f} GB free: set cache.folder to a larger disk, or use fewer symbols or features"
    )


def finish(X: np.ndarray, path: Path) -> None:
    """Make `path` hold `X`, the first rows of the matrix that was created there, and no more."""
    with path.open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        begin = file.tell()
        file.seek(0)
        header = {"descr": np.lib.format.dtype_to_descr(X.dtype), "fortran_order": False, "shape": X.shape}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != begin:  # numpy leaves room for any number of rows
            raise OSError(f"{path}: its header has another length")
        file.truncate(begin + X.nbytes)


@contextmanager
def scratch(X: np.ndarray) -> Iterator[Path | None]:
    """A folder beside the files of a mapped matrix's store, gone afterwards; None where the matrix is in memory."""
    if not on_disk(X):
        yield None
        return
    with tempfile.TemporaryDirectory(
        prefix=".training-", dir=Path(str(getattr(X, "filename", ""))).parent.parent
    ) as folder:
        yield Path(folder)
        gc.collect()  # what holds its files open goes before it


@runtime_checkable
class ReadsInBlocks(Protocol):
    """Never asks for all its rows at once where the matrix is larger than memory, if `in_blocks`."""

    in_blocks: bool


def check_fits(X: np.ndarray, rows: int, readers: Mapping[str, Any]) -> None:
    """ConfigError where the matrix is larger than memory and one of `readers`, strategies by the name of their setting,
    reads its `rows` training rows at once (it has no `in_blocks`) and these do not fit either."""
    size, free = 2 * rows * X.itemsize * X.shape[1], free_memory()  # theirs, and what the library makes of them
    for name, one in readers.items():
        if on_disk(X) and size > free and one is not None and not (isinstance(one, ReadsInBlocks) and one.in_blocks):
            advice = {"baseline": "baseline=null leaves it out"}.get(name, "xgboost, lightgbm and lstm read in blocks")
            raise ConfigError(
                f"{name}: {type(one).__name__} reads its {rows:,} training rows at once, about {size / 2**30:.1f} GB,"
                f" and {free / 2**30:.1f} GB are free; {advice}"
            )


def free_memory() -> int:
    """Bytes that this process may still take: what the machine has free, or its container where that is less."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        most, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return free if most == "max" else max(0, min(free, int(most) - int(used)))
    except (OSError, ValueError):
        return free
