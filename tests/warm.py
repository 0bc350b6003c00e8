"""Python processes forked from one that has imported what runs import: starting one anew takes seconds each time.

`python -m tests.warm [nets]` answers a line of JSON (what `start` is given) with the process's id on one line and, once
it has ended, its exit code on the next, one process after the other. What is forked is a process like any other, with
an end, signals and output of its own; a test of what is imported starts one cold.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 1800  # seconds: what hangs ends in the end; nothing is red because the machine is busy


class Process:
    """`python WORDS…`, started warm, as subprocess.Popen would show it."""

    def __init__(self, server: Server, words: Sequence[str], **asked: object) -> None:
        self.args = [sys.executable, *words]
        self.returncode: int | None = None
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._said = [Path(self._folder.name) / name for name in ("out", "err")]
        out, err = map(str, self._said)
        self.pid = server.ask({"words": list(words), "out": out, "err": err, **asked})

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and self._server.answered(0):
            self.returncode = self._server.answer()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float = PATIENCE) -> int:
        if self.returncode is None:
            if not self._server.answered(timeout):
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self._server.answer()
        return self.returncode

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait, and what it printed."""
        self.wait(timeout)
        out, err = (path.read_text() for path in self._said)
        return out, err


class Server:
    """The process that others are forked from; it starts with the first of them and ends with the tests."""

    def __init__(self, *kinds: str) -> None:
        command = [sys.executable, "-m", "tests.warm", *kinds]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                         env=environment)  # fmt: skip

    def ask(self, asked: Mapping[str, object]) -> int:
        """Fork for a request, and return the process's id."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return self.answer()

    def ended(self) -> bool:
        return self._process.poll() is not None

    def answered(self, seconds: float) -> bool:
        assert self._process.stdout
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def answer(self) -> int:
        """The next number it says."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the process to fork from ended with {self._process.wait()}"
        return int(line)


_servers: dict[tuple[str, ...], Server] = {}
_latest: dict[tuple[str, ...], Process] = {}


def start(
    words: Sequence[str],
    folder: Path = ROOT,
    more: Mapping[str, str] | None = None,
    pages: bool = False,
    files: int = 0,
) -> Process:
    """`python WORDS…` in `folder`, with `more` in its environment and at most `files` bytes a file; one at a time.

    Words that name an lstm go to a server that has imported torch. Most of a small run's time goes into drawing, so
    report.html and the dashboard's figures are left out unless `pages`.
    """
    kinds = ("nets",) if any(re.search(r"\blstm\b", word) for word in words) else ()
    assert kinds not in _latest or _latest[kinds].poll() is not None, f"{_latest[kinds].args} still runs"
    if kinds not in _servers or _servers[kinds].ended():
        _servers[kinds] = Server(*kinds)
    server = _servers[kinds]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(more or {})}
    _latest[kinds] = Process(server, words, folder=str(folder), environment=environment, pages=pages, files=files)
    return _latest[kinds]


def run(words: Sequence[str], folder: Path = ROOT, more: Mapping[str, str] | None = None, pages: bool = False,
        files: int = 0) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """The finished `python WORDS…`, as `start` has it."""
    process = start(words, folder, more, pages, files)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def serve(kinds: Sequence[str]) -> list[str] | None:
    """Answer requests until standard input ends; in a forked process, return the words that it is to run."""
    before, answers = dict(os.environ), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever importing prints
    import_all(kinds)
    added = {key: value for key, value in os.environ.items() if key not in before}
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            answers.close()
            become(asked, added)
            return asked["words"]
        print(pid, file=answers, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)
    return None


def become(asked: Mapping[str, Any], added: Mapping[str, str]) -> None:
    """Take on the folder, the environment and the output that were asked for, as a fresh process has them."""
    for number, path in enumerate((os.devnull, asked["out"], asked["err"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
    sys.stdin = open(0)  # noqa: SIM115
    os.chdir(asked["folder"])
    environment = asked["environment"]
    if not asked["pages"]:
        from barwise.report import dashboard, html

        html.render_into = lambda out: None
        dashboard.FIGURES = ()
    if asked["files"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["files"], asked["files"]))
    os.environ.clear()
    os.environ.update({**added, **environment})
    sys.path[1:1] = [os.path.abspath(p) for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]


def execute(words: list[str]) -> None:
    """What `python WORDS…` does: a script, or -m and a module."""
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], os.getcwd()
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).resolve().parent)
        runpy.run_path(words[0], run_name="__main__")


def import_all(kinds: Sequence[str]) -> None:
    """What runs import: nets also torch and lightning, the others must do without."""
    import lightgbm  # noqa: F401
    import matplotlib.font_manager  # noqa: F401
    import optuna  # noqa: F401
    import talib  # noqa: F401
    import xgboost  # noqa: F401

    import barwise.commands.train
    import barwise.experiment.run
    import barwise.report.dashboard
    import barwise.report.html
    import barwise.report.terminal
    import barwise.strategies.sklearn
    from barwise.runs.tensorboard import writer_class

    writer_class()
    if "nets" in kinds:
        import barwise.strategies.sequence  # noqa: F401
    else:
        assert "torch" not in sys.modules


if __name__ == "__main__":
    given = serve(sys.argv[1:])
    if given is not None:
        execute(given)
