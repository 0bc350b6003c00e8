"""Who runs which trial: claims that hold between processes, and across a sweep that was stopped.

A claim is a folder `.claims/<trial>/` with one file in it, whose name says number and owner. Making one is a rename of
a folder that has its file already, taking one over a rename of that file: of two processes, one succeeds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from barwise.errors import DataError
from barwise.safety.files import read_json

_FOLDER = ".claims"
_SILENT_S = 120.0  # an owner on another machine who has not said so long that it lives is taken for dead
_NOT_PART = ("sweep.", "quiet=", "output_dir=", "hydra.", "hydra/", "+hydra.")  # of what makes a trial
_KEPT = ("done", "failed", "refused", "pruned")


def key_of(overrides: Sequence[str]) -> str:
    """A short name of the trial that these overrides make; where it runs and what it prints are no part of it."""
    kept = sorted(word for word in overrides if not word.startswith(_NOT_PART))
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]


def myself() -> str:
    """This process, told from one that gets its number later: machine, process, start."""
    import psutil

    return f"{socket.gethostname()}~{os.getpid()}~{int(psutil.Process().create_time() * 1000)}"


def alive(owner: str, seen: float) -> bool:
    """Whether the owner still runs; one on another machine, last seen at `seen`, is believed for a while."""
    import psutil

    host, pid, start = owner.rsplit("~", 2)
    if host != socket.gethostname():
        return time.time() - seen < _SILENT_S
    try:
        return int(psutil.Process(int(pid)).create_time() * 1000) == int(start)
    except psutil.NoSuchProcess:
        return False


def state_of(folder: Path) -> dict[str, Any]:
    """run.json of a trial's directory, empty where there is none."""
    try:
        found = read_json(folder / "run.json")
    except (OSError, DataError):
        return {}
    return found if isinstance(found, dict) else {}


def status_of(folder: Path) -> str:
    """done, failed, refused, pruned or running by run.json; missing where nothing began or it was interrupted."""
    state = state_of(folder)
    return "missing" if state.get("interrupted") else str(state.get("status", "missing"))


@dataclass
class Claims:
    """The claims of one sweep as one process sees them; `retry` takes failed trials too, each once."""

    sweep: Path
    retry: bool = False
    owner: str = field(default_factory=myself)
    mine: dict[str, int] = field(default_factory=dict)  # what this process took, by trial
    began: float = field(default_factory=time.time)

    def take(self, key: str, wanted: int) -> int | None:
        """The number under which this process is to run the trial; None where it is done, or somebody's."""
        if key in self.mine:
            return None
        found = self.look(key)
        number = self._make(key, wanted) if found is None else self._take_over(key, *found)
        if number is not None:
            self.mine[key] = number
        return number

    def look(self, key: str) -> tuple[int, str, float] | None:
        """Number, owner and when it last said so; None where nobody claimed the trial."""
        try:
            path = next(iter((self.sweep / _FOLDER / key).iterdir()))
            number, _, owner = path.name.partition("@")
            return int(number), owner, path.stat().st_mtime
        except (FileNotFoundError, StopIteration):
            return None

    def number(self, key: str) -> int | None:
        """The trial's number, whoever runs it."""
        found = self.look(key)
        return found[0] if found else None

    def finished(self, key: str) -> bool:
        """Whether this process need not run the trial: it is kept as it is, by its run.json."""
        number = self.number(key)
        return number is not None and (key in self.mine or not self._wanted(status_of(self.sweep / str(number))))

    def say_alive(self, keys: Iterable[str]) -> None:
        """Touch the claims of trials that run here, for those who look from another machine."""
        for key in keys:
            with suppress(FileNotFoundError):
                os.utime(self.sweep / _FOLDER / key / f"{self.mine[key]}@{self.owner}")

    def _wanted(self, status: str) -> bool:
        return status not in _KEPT or (self.retry and status == "failed")

    def _make(self, key: str, wanted: int) -> int | None:
        number = next(n for n in chain([wanted], count()) if self._reserve(n))
        ready = self.sweep / _FOLDER / f".{key}.{self.owner}"
        ready.mkdir(parents=True, exist_ok=True)
        (ready / f"{number}@{self.owner}").touch()
        try:
            os.rename(ready, self.sweep / _FOLDER / key)  # fails where the folder is there, for it is never empty
        except OSError:
            shutil.rmtree(ready)
            (self.sweep / str(number)).rmdir()
            return None
        return number

    def _reserve(self, number: int) -> bool:
        try:
            (self.sweep / str(number)).mkdir(parents=True)
        except FileExistsError:
            return False
        return True

    def _take_over(self, key: str, number: int, owner: str, seen: float) -> int | None:
        status = status_of(self.sweep / str(number))
        if not self._wanted(status) or (owner != self.owner and status != "failed" and alive(owner, seen)):
            return None
        if status == "failed" and seen > self.began:
            return None  # somebody tried it again since this process began
        folder = self.sweep / _FOLDER / key
        try:
            os.rename(folder / f"{number}@{owner}", folder / f"{number}@{self.owner}")
        except FileNotFoundError:
            return None
        os.utime(folder / f"{number}@{self.owner}")
        return number
