"""A strategy that fails in each of the ways in which a trial can."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Self

import numpy as np

from barwise.samples import Samples
from barwise.strategies.base import FitContext


def boom(what: str = "boom: the data fell over") -> None:
    raise RuntimeError(what)


def twice(mark: str) -> None:
    """The first two who come here fail, whichever they are."""
    for k in range(2):
        try:
            os.mkdir(f"{mark}.{k}")
        except FileExistsError:
            continue
        boom()


def hang() -> None:
    print("hanging", flush=True)
    time.sleep(1e6)


def waits(cfg: Any) -> None:
    """A trial's task that says that it is there, and never ends."""
    Path(cfg["mark"]).touch()
    time.sleep(1e6)


WAYS = {
    **dict.fromkeys(("fine", "well", "good", "nice"), lambda: None),
    "modules": lambda: print("torch imported:", "torch" in sys.modules),
    "raise": boom,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": hang,
    "exit": lambda: sys.exit(3),
    "os_exit": lambda: os._exit(0),
    "surrogate": lambda: boom("caf\udce9.csv \x1b[2J " + "long " * 400_000),
    "server": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "shout": lambda: [os.write(1, b"again and again\n" * 65_536) for _ in range(40)],
    "full": lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device", "X.npy")),
    "memory": lambda: np.zeros(1 << 50),
}


class Misbehaving:
    """Scores noise; `how` it goes wrong is one of WAYS; `once` names a file: it goes wrong only until that is there."""

    lookback = 1
    scale = False
    takes_nan = False

    def __init__(self, how: str = "fine", n: int = 0, pause_s: float = 0.0, once: str | None = None) -> None:
        self.how, self.n, self.pause_s, self.once = how, n, pause_s, once

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        if context.folder is not None:  # the run's own fit, not the audit's
            time.sleep(self.pause_s)
            if self.how == "twice":
                twice(str(self.once))
            elif self.once is None or not Path(self.once).exists():
                WAYS[self.how]()
        self.rng = np.random.default_rng(self.n)
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        return self.rng.uniform(-1, 1, len(samples))

    def save(self, folder: Path) -> None:
        (folder / "strategy.json").write_text("{}")

    @classmethod
    def load(cls, folder: Path) -> Any:
        return cls()
