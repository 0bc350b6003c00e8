"""A process that trains folds for the run that forked it: orders in, events and results out, one JSON array a line."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from barwise.console.shortages import storage_number
from barwise.errors import chain_of
from barwise.listener import Listener

Order = dict[str, Any]
Work = Callable[[Order, Listener], Mapping[str, Any]]
_SEND_S = 0.1  # events wait so long for others: each line wakes the run
EVENTS = ("fold_started", "step", "epoch", "memory", "validated", "scalar", "alert")  # that a fit has to tell


class _Recorder(Listener):
    """Sends each event of a fit to the run, in order."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.lines: list[str] = []
        self.sent = time.monotonic()

    def say(self, name: str, *values: Any) -> None:
        """Send one line, soon."""
        self.lines.append(json.dumps([name, *values], default=lambda value: value.item()))  # numpy's numbers
        if time.monotonic() - self.sent > _SEND_S:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        data = "".join(f"{line}\n" for line in self.lines).encode()
        self.lines.clear()
        while data:
            data = data[os.write(self.answers, data) :]
        self.sent = time.monotonic()

    def fold_started(self, fold: int) -> None:
        self.say("fold_started", fold)

    def note(self, text: str) -> None:
        self.say("note", text)

    def step(self, seconds: float, waited: float) -> None:
        self.say("step", seconds, waited)

    def epoch(self, number: int) -> None:
        self.say("epoch", number)

    def memory(self, used: Mapping[str, float], epoch: int) -> None:
        self.say("memory", dict(used), epoch)

    def validated(self, fold: int, loss: float, step: int) -> None:
        self.say("validated", fold, loss, step)

    def scalar(self, name: str, value: float, step: int) -> None:
        self.say("scalar", name, value, step)

    def alert(self, kind: str, message: str) -> None:
        self.say("alert", kind, message)


def serve(orders: int, answers: int, printed: int, work: Work) -> NoReturn:
    """Do what is ordered until nothing more comes; what libraries print goes to the file `printed`."""
    try:
        _settle(printed)
        tell = _Recorder(answers)
        with os.fdopen(orders, encoding="utf-8") as lines:
            for line in lines:
                try:
                    end = ("done", work(json.loads(line), tell))
                except BaseException as error:
                    end = ("error", _told(error))
                sys.stdout.flush()
                sys.stderr.flush()
                tell.say(*end)
                tell.flush()
    finally:
        os._exit(0)  # neither a traceback nor what the run means to do at its end


def _settle(printed: int) -> None:
    """What a forked process must not share with its parent: signals, output, and its end."""
    parent = os.getppid()
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # the run decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    if os.getppid() != parent:
        os._exit(0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    gc.freeze()  # what the run holds stays shared: collecting would touch, and so copy, every page


def _die_with_parent() -> None:
    """Linux: be killed as soon as the process that forked this one is gone, however it ended."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _told(error: BaseException) -> dict[str, Any]:
    """An error, and what it comes from, as plain values."""
    chain = []
    for link in chain_of(error):
        args = list(link.args)
        number = storage_number(link) if isinstance(link, OSError) else None
        if number is not None and isinstance(link, OSError):
            args = [number, link.strerror, link.filename]
        plain = [one if one is None or isinstance(one, str | int | float) else str(one) for one in args]
        chain.append({"module": type(link).__module__, "name": type(link).__qualname__, "args": plain})
    return {"chain": chain, "traceback": "".join(traceback.format_exception(error))}


def raised(given: Mapping[str, Any]) -> Exception:
    """The error that `told` took apart, of its own class where that is loaded here."""
    found: Exception | None = None
    for link in reversed(given["chain"]):
        error = _made(str(link["module"]), str(link["name"]), link["args"])
        error.__cause__ = found
        found = error
    assert found is not None
    found.add_note(f"in the process that trained the fold:\n{given['traceback']}")
    return found


def _made(module: str, name: str, args: list[Any]) -> Exception:
    kind = getattr(sys.modules.get(module), name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        with contextlib.suppress(Exception):
            return kind(*args)
    return RuntimeError(f"{name}: {' '.join(map(str, args))}")
