"""Trials in processes of their own, some at a time: started, timed, ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barwise.errors import require

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
METHODS = ("fork", "spawn")
_LAST_WORDS_S = 0.5  # what a trial that is about to be killed has to say where it hangs


@dataclass(frozen=True)
class Job:
    """One trial: its number in the sweep, its directory, the composed configuration as plain data.

    `kind` names the server to fork from, so that trials of different kinds share no process; `imports` are the modules
    that the server loads before it forks; `shared` names what the trial shares with others, empty for nothing.
    """

    number: int
    folder: Path
    config: Mapping[str, Any]
    task: tuple[str, str] = ("barwise.commands.train", "job")
    kind: str = ""
    imports: tuple[str, ...] = ()
    shared: str = ""


@dataclass(frozen=True)
class Ended:
    """How a trial's process ended: `code` as subprocess has it; `timed_out` if it was killed for its time."""

    job: Job
    code: int
    seconds: float
    timed_out: bool = False


@dataclass
class Running:
    """A trial on its way; its clock runs once its process is there."""

    job: Job
    server: Server
    began: float | None = None
    pid: int | None = None
    warned: float | None = None


@dataclass
class Server:
    """A process of barwise.sweeps.server and what it has said but not yet in whole lines."""

    process: subprocess.Popen[bytes]
    buffer: bytes = b""

    def tell(self, **order: Any) -> None:
        """Send an order; a server that is gone hears nothing, and the end of its output says so."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(json.dumps(order).encode() + b"\n")
                self.process.stdin.flush()

    def answers(self) -> list[dict[str, int]] | None:
        """Whole lines that have come; None when the server is gone."""
        if self.process.stdout is None:
            return None
        got = os.read(self.process.stdout.fileno(), 1 << 16)
        if not got:
            return None
        *lines, self.buffer = (self.buffer + got).split(b"\n")
        return [json.loads(line) for line in lines]


@dataclass
class Pool:
    """Up to `n_jobs` trials at once, each in a process of its own, `threads` threads each.

    `timeout_s`: seconds a trial may take, null for any. `method`: fork from a warm server, or spawn a fresh one where a
    fork is not safe. Use as a context manager: leaving it kills what still runs.
    """

    n_jobs: int = 1
    timeout_s: float | None = None
    method: str = "fork"
    threads: int = 1
    running: dict[int, Running] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    orphans: set[int] = field(default_factory=set)  # trials that lost their server, and have one of their own since

    def __post_init__(self) -> None:
        require(self.n_jobs >= 1, f"hydra.launcher.n_jobs={self.n_jobs}: must be 1 or more")
        require(
            self.timeout_s is None or self.timeout_s > 0, f"hydra.launcher.timeout_s={self.timeout_s}: must be above 0"
        )
        require(self.method in METHODS, f"hydra.launcher.method={self.method}: must be one of {', '.join(METHODS)}")

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for kind in list(self.servers):
            self._close(kind)
        self.selector.close()

    @property
    def slots(self) -> int:
        """How many trials run at once."""
        return self.n_jobs

    @property
    def free(self) -> int:
        """How many trials more may start now."""
        return self.n_jobs - len(self.running)

    def start(self, job: Job) -> None:
        """Start a trial; its server is started where there is none of its kind."""
        kind = self._kind(job)
        server = self.servers.get(kind) or self._serve(kind)
        self.running[job.number] = Running(job, server)
        order = {
            "number": job.number, "folder": str(job.folder), "config": job.config, "task": job.task,
            "imports": job.imports, "argv": sys.argv, "path": sys.path, "shared": job.shared,
        }  # fmt: skip
        server.tell(job=order)

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """Wait for `timeout` seconds at most; the trials that ended meanwhile."""
        ended: list[Ended] = []
        until = None if timeout is None else time.monotonic() + timeout
        while self.running and not ended:
            left = [x for x in (self._overdue(), until and until - time.monotonic()) if x is not None]
            for key, _ in self.selector.select(max(0.0, min(left)) if left else None):
                if key.data in self.servers:
                    ended += self._hear(key.data)
            if until is not None and time.monotonic() >= until:
                break
        return ended

    def _kind(self, job: Job) -> str:
        """The server that a trial is for: of its kind, or its own where it lost one before."""
        kind = job.kind if self.method == "fork" else ""
        return f"{kind}#{job.number}" if job.number in self.orphans else kind

    def _serve(self, kind: str) -> Server:
        environment = {**os.environ, **{name: str(self.threads) for name in _THREAD_VARIABLES}}
        process = subprocess.Popen(
            [sys.executable, "-m", "barwise.sweeps.server", self.method],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True,
        )  # fmt: skip
        server = self.servers[kind] = Server(process)
        self.selector.register(process.stdout, selectors.EVENT_READ, kind)  # type: ignore[arg-type]
        return server

    def _hear(self, kind: str) -> list[Ended]:
        server = self.servers[kind]
        answers = server.answers()
        if answers is None:
            return self._lost(kind)
        ended = []
        for answer in answers:
            trial = self.running[answer["number"]]
            if "pid" in answer:
                trial.began, trial.pid = time.monotonic(), answer["pid"]
            else:
                ended.append(self._end(trial, answer["code"]))
        return ended

    def _end(self, trial: Running, code: int) -> Ended:
        del self.running[trial.job.number]
        if trial.job.number in self.orphans and self._kind(trial.job) in self.servers:
            self._close(self._kind(trial.job))
        seconds = time.monotonic() - trial.began if trial.began else 0.0
        return Ended(trial.job, code, seconds, timed_out=trial.warned is not None)

    def _lost(self, kind: str) -> list[Ended]:
        """The server is gone, killed by a trial or by the kernel when memory ran out: its trials end with it.

        Each is begun again with a server of its own, where it takes no other along; who loses that too has failed.
        """
        trials = [x for x in self.running.values() if x.server is self.servers[kind]]
        for trial in trials:
            if trial.pid is not None:
                _kill(trial.pid)
        self._close(kind)
        again = [trial for trial in trials if trial.job.number not in self.orphans]
        for trial in again:
            self.orphans.add(trial.job.number)
            self.start(trial.job)
        return [self._end(trial, -signal.SIGKILL) for trial in trials if trial not in again]

    def _overdue(self) -> float | None:
        """End what has run too long, first asking where it hangs; seconds until there is more to do."""
        if self.timeout_s is None:
            return None
        now, left = time.monotonic(), []
        for trial in self.running.values():
            if trial.began is None:
                continue
            due = trial.began + self.timeout_s if trial.warned is None else trial.warned + _LAST_WORDS_S
            if now < due:
                left.append(due - now)
                continue
            name = "SIGUSR1" if trial.warned is None else "SIGKILL"
            trial.warned = now if trial.warned is None else trial.warned + 3600.0
            trial.server.tell(signal=trial.job.number, name=name)
            left.append(_LAST_WORDS_S)
        return min(left, default=None)

    def _close(self, kind: str) -> None:
        server = self.servers.pop(kind)
        if server.process.stdout is not None:
            self.selector.unregister(server.process.stdout)
        for stream in (server.process.stdin, server.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        try:
            server.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def _kill(pid: int) -> None:
    """End a trial's process and all it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
