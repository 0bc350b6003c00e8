"""Being asked to end by a signal: by Slurm, docker, a closed terminal, Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from barwise.errors import chain_of


class _Stopped(KeyboardInterrupt):
    """The process was asked to end by the signal `number`, other than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stopped_by(error: BaseException) -> int | None:
    """The signal that asked the process to end, where that is what `error` is or comes from."""
    chain = list(chain_of(error))
    signals = [link.number for link in chain if isinstance(link, _Stopped)]  # Lightning raises its own from it
    if signals:
        return signals[0]
    return int(signal.SIGINT) if any(isinstance(link, KeyboardInterrupt) for link in chain) else None


def stoppable() -> None:
    """Let SIGTERM, and the end of a terminal, end the process as Ctrl-C does: as `Stopped`, once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise _Stopped(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)


class Asked:
    """While it is entered, a signal to end raises `Stopped` between pieces of work, never within one: see `busy`."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self._number: int | None = None
        self._busy = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there can a signal be heard
            self._before = {number: signal.signal(number, self._hear) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        first, self._number = self._number is None, number
        if first and not self._busy:
            raise _Stopped(number)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A piece of work that is done whole; `Stopped` after it where a signal came."""
        if self._number is not None:
            raise _Stopped(self._number)
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._number is not None:
            raise _Stopped(self._number)
