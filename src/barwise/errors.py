"""Errors that a user can act on: one line naming the value given, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterator


class BarwiseError(Exception):
    """A user's mistake; the command line prints its message alone and exits with `exit_code`."""

    exit_code = 2


class ConfigError(BarwiseError, ValueError):
    """A setting that is out of range, unknown or does not go with another."""


class DataError(BarwiseError, ValueError):
    """Bars that cannot be read or trusted; the message names file, symbol, row and value."""


class DeviceError(BarwiseError, RuntimeError):
    """A device that is not there while `device.strict` asks for it."""


class TrainingError(BarwiseError, ArithmeticError):
    """A net's loss became NaN or infinite; the message has the facts of the batch."""


class LeakError(BarwiseError):
    """The audit found the future in the past; the run is refused."""

    exit_code = 3


class Pruned(BarwiseError):
    """A study stopped the trial: others had done better by then."""

    exit_code = 5


class SweepError(BarwiseError):
    """Some trials of a sweep did not end well; the others are done."""

    exit_code = 4


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def require(ok: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `ok`; for checks of one setting each."""
    if not ok:
        raise ConfigError(message)
