"""A process that was forked before anything was computed, in which nothing is kept of any bar."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Work = Callable[[Arrays], Arrays]
OUTSIDE = ("open", "sqlite3.connect", "socket.connect", "subprocess.Popen", "os.system", "os.posix_spawn")
READERS = (".py", ".pyc", ".so", ".pyi", ".typed")  # what imports open
SYSTEM = ("/proc", "/sys", "/dev", "/usr/share/zoneinfo", "/etc/localtime", "/lib", "/usr/lib")


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
        if sys.platform == "linux" and threading.active_count() == 1:
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
        if not self.forked:
            return [_tried(self.work[name], one, done, i) for i, one in enumerate(requests)]
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
                raise RuntimeError("the audit's process ended")
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
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(self.to)
                os.close(answer)
                _serve(request, back, self.work, self.folder)
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)  # also where the parent was killed
                os._exit(0)
        os.close(request)
        os.close(back)
        self.pid, self.lines = pid, os.fdopen(answer, encoding="utf-8")


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
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _do(work[name], f"{folder}/{number}")
                running[pid] = number


def _do(work: Work, place: str) -> None:
    """Answer one request and end; what a part of the user's prints is not heard."""
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with np.load(f"{place}.in.npz", allow_pickle=False) as kept:
            given = dict(kept)
        opened: set[str] = set()
        listen(opened)
        found = work(given)
        outside = sorted(opened)[:5]
        np.savez(f"{place}.part.npz", **found, _opened=np.array(outside, dtype=str))  # type: ignore[arg-type]
        os.rename(f"{place}.part.npz", f"{place}.out.npz")
    except BaseException as error:
        Path(f"{place}.error").write_text(words_of(error), encoding="utf-8")
    finally:
        os._exit(0)


def listen(opened: set[str]) -> None:
    """Note in `opened` what this process opens from now on, but for what imports and the system need."""
    libraries = {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    ours = (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), *libraries)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in OUTSIDE or not args:
            return
        name = str(args[1] if event == "socket.connect" and len(args) > 1 else args[0])
        if event == "open" and (
            isinstance(args[0], int) or name.endswith(READERS) or name.startswith((*SYSTEM, *ours))
        ):
            return
        opened.add(name[:200])

    sys.addaudithook(hook)


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
