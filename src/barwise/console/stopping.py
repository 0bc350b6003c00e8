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
    chain = list(chain_of(error))
    signals = [link.number for link in chain if isinstance(link, Stopped)]  # Lightning raises its own from it
    if signals:
        return signals[0]
    return int(signal.SIGINT) if any(isinstance(link, KeyboardInterrupt) for link in chain) else None


def stoppable() -> None:
    """Let SIGTERM, and the end of a terminal, end the process as Ctrl-C does: as `Stopped`, once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Stopped(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)
