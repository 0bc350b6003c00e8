"""A process that was forked before anything was computed, in which nothing is kept of any bar."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from barwise.audit.watch import Watch, listen
from barwise.console.fork import fork
from barwise.errors import LeakError
from barwise.features.parallel import threads_beside

Arrays = dict[str, np.ndarray]
Work = Callable[[Arrays], Arrays]
_FIXED = 0x10  # MAP_FIXED of Linux
_ALONE = ("rows", "dates")  # work that opens nothing by itself, whoever's code it runs
_LARGE = 2**26  # bytes of a file that is read in place


class Failed(Exception):
    """What was asked for raised; the message has type, text and notes."""


class CleanProcess:
    """Answers `work` by name, each time in a process forked from one that has computed nothing.

    Where processes cannot be forked (other systems than Linux, a program with threads) the work is done here.
    """

    def __init__(self, work: Mapping[str, Work]) -> None:
        self.work = dict(work)
        self.pid = 0
        self.folder = ""
        _end_idle_workers()
        self.threads = bool(threads_beside())
        if sys.platform == "linux" and not self.threads:
            self._fork()

    @property
    def forked(self) -> bool:
        return self.pid > 0

    def ask(
        self, name: str, *requests: Arrays, workers: int = 1, done: Callable[[int], None] | None = None
    ) -> list[Any]:
        """The answer to each request, in order, `workers` at once: arrays, or `Failed`. `done` hears of each one.

        An answer has `_opened`: the files and addresses that were opened while it was made.
        """
        work = self.work[name]
        if not self.forked:
            return [_tried(work, one, done, i) for i, one in enumerate(requests)]
        answers: list[Any] = [None] * len(requests)
        waiting, running = list(range(len(requests)))[::-1], 0
        while waiting or running:
            while waiting and running < max(1, workers):
                i = waiting.pop()
                np.savez(f"{self.folder}/{i}.in.npz", **requests[i])  # type: ignore[arg-type]
                os.write(self.to, f"{name} {i}\n".encode())
                running += 1
            line = self.lines.readline()
            if not line:
                raise LeakError("refused by the audit: a part of the experiment ended the process that audits it")
            i = int(line)
            running -= 1
            answers[i] = self._answer(i)
            if done:
                done(i)
        return answers

    def close(self) -> None:
        """End the process."""
        if self.forked:
            os.close(self.to)
            self.lines.close()
            os.waitpid(self.pid, 0)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.pid = 0

    def _answer(self, i: int) -> Any:
        path = Path(f"{self.folder}/{i}.out.npz")
        failed = Path(f"{self.folder}/{i}.error")
        Path(f"{self.folder}/{i}.in.npz").unlink(missing_ok=True)
        if not path.exists():
            text = failed.read_text(encoding="utf-8") if failed.exists() else "the process died"
            failed.unlink(missing_ok=True)
            return Failed(text)
        with np.load(path, allow_pickle=False) as kept:
            found = dict(kept)
        path.unlink()
        return found

    def _fork(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="barwise-audit-")
        request, self.to = os.pipe()
        answer, back = os.pipe()
        pid = fork()
        if pid == 0:
            try:
                os.close(self.to)
                os.close(answer)
                _sever((request, back))
                os.write(back, b"severed\n")
                _serve(request, back, self.work, self.folder)
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)  # also where the parent was killed
                os._exit(0)
        os.close(request)
        os.close(back)
        self.pid, self.lines = pid, os.fdopen(answer, encoding="utf-8")
        self.lines.readline()  # nothing is computed before it can no longer be heard


def _serve(request: int, back: int, work: Mapping[str, Work], folder: str) -> None:
    """Fork a process for each line that comes; several run at once."""
    import select
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    wake, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, str] = {}
    text = b""
    while True:
        ready, _, _ = select.select([request, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
        while running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            os.write(back, f"{running.pop(pid)}\n".encode())
        if request in ready:
            more = os.read(request, 65_536)
            if not more:
                return
            *lines, text = (text + more).split(b"\n")
            for line in lines:
                name, number = line.decode().split()
                pid = fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _do(work[name], f"{folder}/{number}", name in _ALONE)
                running[pid] = number


def _do(work: Work, place: str, everyone: bool) -> None:
    """Answer one request and end; what a part of the user's prints is not heard."""
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with np.load(f"{place}.in.npz", allow_pickle=False) as kept:
            given = dict(kept)
        watch = Watch(everyone=everyone, boundary=sys._getframe())
        listen(watch)
        found = work(given)
        outside = sorted(watch.found)[:5]
        np.savez(f"{place}.part.npz", **found, _opened=np.array(outside, dtype=str))  # type: ignore[arg-type]
        os.rename(f"{place}.part.npz", f"{place}.out.npz")
    except BaseException as error:
        Path(f"{place}.error").write_text(words_of(error), encoding="utf-8")
    finally:
        os._exit(0)


def _end_idle_workers() -> None:
    """End the processes that joblib keeps for its next call, with the threads that wait for them; it starts others."""
    pool = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    if pool is not None and not getattr(pool, "_pending_work_items", True):
        pool.shutdown(wait=True)


def _sever(keep: tuple[int, ...]) -> None:
    """End what could still be heard of the parent: open files and pipes but `keep`, memory that processes share."""
    null = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number not in (*keep, null) and _is_open(number):
            os.dup2(null, number)
    os.close(null)
    _own_copies()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _own_copies() -> None:
    """Put a copy of this process's own in place of each piece of memory that it shares with others; large files that
    are only read stay."""
    import ctypes
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    how = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, mode, *_ = line.split()
        low, high = (int(x, 16) for x in span.split("-"))
        if mode[3] != "s" or mode[0] != "r" or (mode[1] != "w" and (high - low > _LARGE or "/usr/" in line)):
            continue
        held = ctypes.string_at(low, high - low)
        if libc.mmap(low, high - low, mmap.PROT_READ | mmap.PROT_WRITE, how, -1, 0) == low:
            ctypes.memmove(low, held, high - low)


def words_of(error: BaseException) -> str:
    """An error in one short line."""
    notes = " ".join(getattr(error, "__notes__", ()))
    return " ".join(f"{type(error).__name__}: {error} {notes}".split())[:160]


def _tried(work: Work, given: Arrays, done: Callable[[int], None] | None, i: int) -> Any:
    try:
        found: Any = {**work(given), "_opened": np.array([], dtype=str)}
    except Exception as error:
        found = Failed(words_of(error))
    if done:
        done(i)
    return found
