"""`python -m barwise` in a process of its own in which an audit hook notes whatever starts a process or finds a pickle.

The hook sees the whole process, so it gets one that does nothing else: `python -m tests.safety.watched` answers a line
of JSON {words, folder} with {code, out, err, executed}, one after the other.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

WATCHED = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "exec.marker"}


@dataclass(frozen=True)
class Answer:
    """How a command ended: exit code, what it printed, and which watched events it raised."""

    code: int
    out: str
    err: str
    executed: list[str]


class Watched:
    """The process; it starts with the first command."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, words: Sequence[str], folder: Path = ROOT) -> Answer:
        if self.process is None:
            command = [sys.executable, "-m", "tests.safety.watched"]
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin and self.process.stdout
        print(json.dumps({"words": list(words), "folder": str(folder)}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"{words}: the process died with {self.process.wait()}"
        return Answer(**json.loads(line))

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def serve() -> None:
    """Answer commands until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints past Python
    import_all()
    from barwise import __main__ as program

    seen: list[str] = []
    watching: list[bool] = []

    def listen(event: str, args: tuple[object, ...]) -> None:
        ours = event == "subprocess.Popen" and "barwise.safety.apart" in str(args[1])  # what a model is tried in
        if watching and event in WATCHED and not ours:
            seen.append(event)

    sys.addaudithook(listen)
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked["folder"])
        seen.clear()
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            watching.append(True)
            try:
                program.main(asked["words"])
            except SystemExit as stop:
                code = int(stop.code or 0)
            except BaseException:
                code = -1
                traceback.print_exc()
            watching.clear()
        found = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "executed": list(seen)}
        print(json.dumps(found), file=answers, flush=True)


def import_all() -> None:
    """What commands import when they need it: a library may start a process when it is imported."""
    import lightgbm  # noqa: F401
    import lightning.pytorch  # noqa: F401
    import matplotlib.font_manager  # noqa: F401
    import skops.io  # noqa: F401
    import xgboost  # noqa: F401

    import barwise.commands.predict
    import barwise.commands.rerun
    import barwise.report.html
    import barwise.strategies.sequence  # noqa: F401


if __name__ == "__main__":
    serve()
