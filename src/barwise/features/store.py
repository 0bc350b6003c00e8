"""The store: feature matrices kept on disk, opened memory-mapped, shared by all trials and processes.

A matrix is known by the hash of its bars, of what its sets were given, and of the code that computes them; a changed
bar, parameter or line of code makes a new one. Files hold plain numbers and JSON: nothing that is loaded runs code.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from barwise.data.bars import Bars
from barwise.data.memmap import free_memory
from barwise.errors import ConfigError
from barwise.features import FeatureSet
from barwise.features.matrix import FeatureMatrix
from barwise.features.store_writer import Facts, Make, Making

GIB = 2**30
SHARE = 1 / 3  # of the memory that is free: a fit copies its training rows once and quantizes or scales them
LIBRARIES = ("numpy", "TA-Lib", "bottleneck")


@dataclass(frozen=True)
class Store:
    """`conf/config.yaml`'s `cache`. `folder`: null is $BARWISE_CACHE, else the user's cache folder. `gb`: the most it
    may hold, the longest unused go first; 0 keeps nothing. `mapped`: whether a matrix is built in its file and read
    from there in blocks, as one larger than memory must be; auto: if it takes over a third of the free memory."""

    folder: str | Path | None = None
    gb: float = 10.0
    mapped: str | bool = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.gb, int | float) or isinstance(self.gb, bool) or self.gb < 0:
            raise ConfigError(f"cache.gb={self.gb}: must be a number of gigabytes, 0 to keep nothing")
        if self.mapped not in ("auto", True, False):
            raise ConfigError(f"cache.mapped={self.mapped}: must be auto, true or false")

    @property
    def home(self) -> Path:
        """Where matrices lie."""
        return (Path(self.folder) if self.folder else cache_folder()) / "features"

    def matrix(
        self, data: str, bars: Sequence[Bars], sets: Mapping[str, FeatureSet], make: Make
    ) -> tuple[FeatureMatrix, Facts]:
        """The matrix of `sets` on the bars whose hash is `data`, opened if it is kept, else made, kept and opened.

        Of several processes that want it at once one makes it. What cannot be kept (no source of a function, a full
        disk) is made and used as it is; one that is larger than memory then lies in a file without a name.
        """
        key = key_of(data, sets) if self.gb else None
        if key is None:
            return self.made(make)
        folder = self.home / key
        found = self._opened(folder, bars)
        if found is not None:
            return found
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            lock = (self.home / f".{key}.lock").open("a")
        except OSError:
            return self.made(make)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the process ends, however it ends
            return self._opened(folder, bars) or self.made(make, folder, bars)

    def made(self, make: Make, folder: Path | None = None, bars: Sequence[Bars] = ()) -> tuple[FeatureMatrix, Facts]:
        """Make it, keep it in `folder` and open what was kept; used as it is where it cannot be kept."""
        with Making(self.home, self.maps) as making:
            matrix, facts = make(making.room)
            if folder is None or matrix.X.nbytes > self.gb * GIB:
                return matrix, facts
            try:
                shutil.rmtree(folder, ignore_errors=True)  # a damaged one
                making.keep(folder, matrix, facts, bars)
                self.trim(spare=folder.name)
            except OSError:
                return matrix, facts
            return self._opened(folder, bars) or (matrix, facts)

    def maps(self, size: int) -> bool:
        """Whether a matrix of so many bytes is read from its file in blocks."""
        return self.mapped is True or (self.mapped == "auto" and size > SHARE * free_memory())

    def _opened(self, folder: Path, bars: Sequence[Bars]) -> tuple[FeatureMatrix, Facts] | None:
        found = opened(folder, bars)
        if found is None or self.maps(found[0].X.nbytes):
            return found
        return replace(found[0], X=np.asarray(found[0].X)), found[1]

    def entries(self) -> list[tuple[Path, int, float]]:
        """(folder, bytes, when last used) of each matrix, the longest unused first."""
        found = []
        for folder in self.home.glob("[0-9a-f]*") if self.home.is_dir() else ():
            try:
                size = sum(file.stat().st_size for file in folder.iterdir())
                found.append((folder, size, (folder / "meta.json").stat().st_mtime))
            except OSError:
                continue
        return sorted(found, key=lambda entry: entry[2])

    def trim(self, spare: str = "") -> int:
        """Remove the longest unused until the rest fits; returns how many went. One that is mapped stays readable."""
        entries = self.entries()
        total, gone = sum(size for _, size, _ in entries), 0
        for folder, size, _ in entries:
            if total <= self.gb * GIB:
                break
            if folder.name != spare:
                shutil.rmtree(folder, ignore_errors=True)
                total, gone = total - size, gone + 1
        return gone

    def clear(self) -> int:
        """Remove all, and what processes that were killed left a day ago or earlier; returns how many went."""
        entries = self.entries()
        for folder, _, _ in entries:
            shutil.rmtree(folder, ignore_errors=True)
        for lock in self.home.glob(".*.lock") if self.home.is_dir() else ():
            lock.unlink(missing_ok=True)
        for left in (*self.home.glob(".making-*"), *self.home.glob(".training-*")):
            if time.time() - left.stat().st_mtime > 86_400:
                shutil.rmtree(left, ignore_errors=True)
        return len(entries)


def cache_folder() -> Path:
    """$BARWISE_CACHE, else barwise in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BARWISE_CACHE") or Path(base) / "barwise")


def opened(folder: Path, bars: Sequence[Bars]) -> tuple[FeatureMatrix, Facts] | None:
    """The matrix in `folder`, memory-mapped and not writable; None where there is none or it is damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        X = np.load(folder / "X.npy", mmap_mode="r", allow_pickle=False)
        kept = tuple(bars[i] for i in meta["kept"])
        offsets = np.asarray(meta["offsets"], dtype=np.int64)
        names = tuple(meta["names"])
        right = X.dtype == np.float32 and X.shape == (int(offsets[-1]), len(names)) and X.flags.c_contiguous
        if not right or np.diff(offsets).tolist() != [len(b) for b in kept]:
            return None
        os.utime(folder / "meta.json")  # used now
        left_out = tuple((str(s), str(why)) for s, why in meta["left_out"])
        matrix = FeatureMatrix(X, names, kept, offsets, np.asarray(meta["warmup"], dtype=np.int64), left_out)
        return matrix, dict(meta["facts"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def key_of(data: str, sets: Mapping[str, FeatureSet]) -> str | None:
    """The name of a matrix; None where a set's code cannot be read, or its settings are no plain values."""
    digest = hashlib.sha256(data.encode())
    for name, one in sets.items():
        function, given = unwrapped(one)
        module = sys.modules.get(getattr(function, "__module__", ""))
        try:
            code = source_hash(module) if module else None
            settings = json.dumps(given, sort_keys=True)
        except (TypeError, OSError):
            return None
        if code is None:
            return None
        digest.update(f"{name}|{function.__module__}.{function.__qualname__}|{settings}|{code}|".encode())
    digest.update("|".join(f"{x} {version(x)}" for x in LIBRARIES).encode())
    for shared in ("barwise.features.matrix", "barwise.features.drift"):
        if shared in sys.modules:
            digest.update(str(source_hash(sys.modules[shared])).encode())
    return digest.hexdigest()[:32]


def unwrapped(one: Any) -> tuple[Any, dict[str, Any]]:
    """The function below partials, and all that it is given."""
    given: dict[str, Any] = {}
    while isinstance(one, partial):
        given = {**{str(i): value for i, value in enumerate(one.args)}, **one.keywords, **given}
        one = one.func
    return one, given


def source_hash(module: ModuleType) -> str | None:
    """Hash of a module's source and of every module of its own side that it uses, libraries left out."""
    digest, waiting, seen = hashlib.sha256(), [module], set()
    while waiting:
        one = waiting.pop()
        path = getattr(one, "__file__", None)
        if one.__name__ in seen:
            continue
        seen.add(one.__name__)
        if path is None or not path.endswith(".py"):
            return None
        digest.update(one.__name__.encode() + Path(path).read_bytes())
        used = {value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
                for value in vars(one).values()}  # fmt: skip
        waiting += sorted((m for m in used if m is not None and own(m)), key=lambda m: m.__name__)
    return digest.hexdigest()


def own(module: ModuleType) -> bool:
    """Whether a module is barwise's features or the user's, and no library's or Python's."""
    path = str(getattr(module, "__file__", "") or "")
    if module.__name__.startswith("barwise."):
        return module.__name__.startswith("barwise.features.") and not module.__name__.endswith(
            (".store", ".matrix", ".store_writer", ".prepare", ".drift")
        )
    library = "site-packages" in path or "dist-packages" in path or path.startswith(os.path.dirname(os.__file__))
    return path.endswith(".py") and not library


def age(when: float) -> str:
    """How long ago, in words."""
    hours = (time.time() - when) / 3600
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
