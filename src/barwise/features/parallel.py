"""Symbols side by side on all cores: threads, or forked processes where there is much to do.

Columns of some thousand bars take microseconds each, so that threads wait for Python's lock most of the time: two of
them were seen no faster than one, two processes twice as fast.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np

from barwise.console.fork import fork

MUCH = 2**24  # cells of a matrix from which on forking, some hundredths of a second, pays
_IDLE = ("fsspecIO",)  # waits for addresses to be read, and holds no lock between them
_KEEP_THREADS = ("torch", "xgboost", "lightgbm", "catboost")  # a fork beside the threads of these may hang


def shared(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An array that forked processes write for their parent, not initialised."""
    size = prod(shape)
    room = mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize))
    return np.frombuffer(room, dtype, size).reshape(shape)


def is_shared(X: np.ndarray) -> bool:
    """Whether what a forked process writes into `X` is seen by its parent."""
    base: Any = X
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap.mmap | memoryview)


def threads_beside() -> list[str]:
    """The names of the other threads that a fork may catch in the middle of something."""
    here = threading.current_thread()
    return [thread.name for thread in threading.enumerate() if thread is not here and thread.name not in _IDLE]


def _may_fork() -> bool:
    """Linux, and no thread but this one; on macOS the system's own libraries do not outlive a fork."""
    alone = not threads_beside() and not any(name in sys.modules for name in _KEEP_THREADS)
    return sys.platform == "linux" and alone


def each(work: Callable[[int], None], n: int, workers: int, fork: bool) -> None:
    """Call `work` with 0 … n - 1, some at once. What it finds it writes into shared arrays.

    Work that raises in a forked process is done once more in this one, which raises.
    """
    if fork and workers > 1 and n > 1 and _may_fork() and _forked(work, n, min(workers, n)):
        return
    if workers > 1 and n > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(n)))
        return
    for i in range(n):
        work(i)


def _forked(work: Callable[[int], None], n: int, workers: int) -> bool:
    """Whether all of the work was done, by processes each of which takes every so many-th piece."""
    pids = []
    for k in range(workers):
        pid = fork()
        if pid == 0:
            status = 1
            try:
                for i in range(k, n, workers):
                    work(i)
                status = 0
            finally:
                os._exit(status)  # neither a traceback nor what the parent means to do at its end
        pids.append(pid)
    return all([os.waitpid(pid, 0)[1] == 0 for pid in pids])
