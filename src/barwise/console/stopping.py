"""Being asked to end by a signal: by Slurm, docker, a closed terminal, Ctrl-C."""

from __future__ import annotations

import signal

from barwise.errors import chain_of


class Stopped(KeyboardInterrupt):
    """The process was asked to end by the signal `number`, other than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stopped_by(error: BaseException) -> int | None:
    """The signal that asked the process to end, where that is what `error` is or comes from."""
    found = next((link for link in chain_of(error) if isinstance(link, KeyboardInterrupt)), None)
    return None if found is None else getattr(found, "number", int(signal.SIGINT))


def stoppable() -> None:
    """Let SIGTERM, and the end of a terminal, end the process as Ctrl-C does: as `Stopped`, once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Stopped(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)
