"""A process that imports what trials need, once, and starts one process for each trial; the pool runs it.

`python -m barwise.sweeps.server fork|spawn` reads one JSON object a line: {"job": …} starts a trial, {"signal": number,
"name": …} signals one. It answers with {"number", "pid"} when a trial starts and {"number", "code"} when it ended, as
subprocess does: an exit code, or minus the signal. When its input closes, it kills what still runs and ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.fork import fork
from barwise.sweeps.output import OUTPUT, trim

if TYPE_CHECKING:
    from barwise.sweeps.trial import Composed

_TRIM_S = 0.25  # between two looks at how much the trials have printed


def main() -> None:
    """Serve until the input closes; in a forked trial, run it and leave without what the server would clean up."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what an import prints must not look like an answer
    server = _Server(sys.argv[1], answers)
    job = server.serve()
    if job is not None:
        from barwise.sweeps.trial import leave

        leave(job, server.like)


class _Server:
    """The loop: lines in, trials started, ends reported."""

    def __init__(self, method: str, answers: int) -> None:
        self.method, self.answers = method, answers
        self.pids: dict[int, int] = {}  # number of the trial: its process
        self.folders: dict[int, Path] = {}  # and its directory
        self.spawned: list[subprocess.Popen[bytes]] = []  # kept, so that subprocess never waits for them itself
        self.loaded: set[str] = set()
        self.like: Composed | None = None  # the configuration of the first trial
        self.shared: dict[str, int] = {}  # name of what trials share: how many of them were begun
        self.woken, wake = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sweep, which then tells the server
        signal.set_wakeup_fd(wake)

    def serve(self) -> dict[str, Any] | None:
        """None when the input has closed; the job in a process that was forked for one."""
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self.woken, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(_TRIM_S if self.pids else None)}
                for folder in self.folders.values():
                    trim(folder / OUTPUT)
                if self.woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.woken, 4096)
                    self.reap()
                if 0 not in ready:
                    continue
                got = os.read(0, 1 << 16)
                if not got:
                    self.signal_all(signal.SIGKILL)
                    return None
                *lines, buffer = (buffer + got).split(b"\n")
                for line in lines:
                    if self.obey(json.loads(line)):
                        return self.job

    def obey(self, order: dict[str, Any]) -> bool:
        """Do what one line asks; True in the forked trial."""
        if "signal" in order:
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.killpg(self.pids[order["signal"]], signal.Signals[order["name"]])
            return False
        self.job: dict[str, Any] = order["job"]
        if self.method == "spawn":
            pid = self.spawn(self.job)
        else:
            self.loaded |= warm(self.job, self.loaded)
            self.compose(self.job)
            self.share(self.job)
            pid = fork()
            if pid == 0:
                return True
        self.pids[self.job["number"]] = pid
        self.folders[self.job["number"]] = Path(self.job["folder"])
        self.answer(number=self.job["number"], pid=pid)
        return False

    def compose(self, job: dict[str, Any]) -> None:
        """Make the first trial's configuration, which those of the others are made from; what fails is the trial's to
        report."""
        if self.like is None:
            with contextlib.suppress(Exception):
                from barwise.sweeps.trial import Composed

                self.like = Composed.of(job["config"])
                _settle()

    def share(self, job: dict[str, Any]) -> None:
        """From the second trial of the same parts on, make what they share here, where each finds it."""
        name = job.get("shared")
        if not name:
            return
        self.shared[name] = self.shared.get(name, 0) + 1
        if self.shared[name] == 2:
            from barwise.sweeps.sharing import prepare

            prepare(job["config"])
            _settle()

    def spawn(self, job: dict[str, Any]) -> int:
        """A fresh interpreter, where a fork of a process with threads is not safe: macOS."""
        process = subprocess.Popen(
            [sys.executable, "-m", "barwise.sweeps.trial"], stdin=subprocess.PIPE, start_new_session=True
        )
        self.spawned.append(process)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job).encode())
                process.stdin.close()
        return process.pid

    def reap(self) -> None:
        """Report the trials that ended, and end what they left behind."""
        for number, pid in list(self.pids.items()):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done, status = pid, 0
            if done:
                del self.pids[number]
                trim(self.folders.pop(number) / OUTPUT)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                self.answer(number=number, code=os.waitstatus_to_exitcode(status))

    def signal_all(self, number: signal.Signals) -> None:
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    def answer(self, **facts: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.answers, json.dumps(facts).encode() + b"\n")


def warm(job: dict[str, Any], loaded: Set[str] = frozenset()) -> set[str]:
    """Import what the trial will, `module` or `module:function` to call, and say what was not `loaded` before; what
    fails is the trial's to report."""
    sys.path[:] = job["path"]
    fresh = [name for name in ("barwise.sweeps.trial", *job["imports"]) if name not in loaded]
    for name in fresh:
        module, _, function = name.partition(":")
        with contextlib.suppress(Exception):
            found = importlib.import_module(module)
            if function:
                getattr(found, function)()
    if fresh:
        with contextlib.suppress(Exception):
            from barwise.evidence.identity import rehearse

            rehearse(job["config"])
        _settle()
    return set(fresh)


def _settle() -> None:
    """See that what is loaded stays shared: collecting in a trial would touch, and so copy, every page."""
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
