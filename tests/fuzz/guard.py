"""What every fuzzed case is held to: bars or a barwise error of one line, within processor time and memory."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

MEMORY = 6 * 2**30  # bytes of address space of a process that tries cases; the libraries take about 3


class Hung(BaseException):
    """A case took more processor time than any should."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise Hung after so many seconds of this process's own processor time, however busy the machine is."""

    def stop(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def ended(action: Callable[[], object]) -> str | None:
    """None where `action` ends well or in a barwise error that prints as one line; else what it ended in."""
    from barwise.console.messages import one_line
    from barwise.errors import BarwiseError

    try:
        action()
    except BarwiseError as error:
        code, line = one_line(error)
        sound = code in (2, 3) and line.isprintable() and len(line) <= 2000
        return None if sound else f"code {code}, {len(line)} characters: {line[:200]!r}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "/barwise/" in f.filename]
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else where.filename
        return f"{type(error).__name__}: {str(error)[:120]!r} at {at}"
    return None


def tried(module: str, *words: object) -> dict[str, str]:
    """The cases that a module of tests.fuzz found wrong, tried in a process of limited memory."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    return dict(json.loads(done.stdout.splitlines()[-1]))
