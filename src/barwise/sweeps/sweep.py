"""The sweep that this process runs: where it is, what it compares, and how it ends, whichever launcher runs it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barwise.console.printing import printable
from barwise.console.settings import shown
from barwise.errors import ConfigError, SweepError

_OURS = "hydra_plugins.barwise."  # launchers that keep the leaderboard themselves and let no trial end a sweep
_SHOWN = 30  # trials in the terminal's table; leaderboard.csv has all


@dataclass(frozen=True)
class Sweep:
    """`folder` holds a directory a trial; `name` is what `sweep.name=` takes to go on."""

    folder: Path
    name: str
    objectives: tuple[str, ...]
    quiet: bool
    pages: int = 0
    foreign: bool = False  # run by a launcher that lets the first trial that fails end the sweep
    retry: str | None = None  # `failed`: those trials run again
    overrides: tuple[str, ...] = ()  # of Hydra's own settings

    def resume(self) -> str:
        """The command that goes on with this sweep."""
        words = [w for w in sys.argv[1:] if not w.startswith("sweep.name=")]
        return " ".join(["python train.py", *map(_quoted, words), f"sweep.name={self.name}"])


_RUNNING: ContextVar[Sweep | None] = ContextVar("sweep", default=None)  # Hydra's callback and `main` share no object


def begin(sweep: Sweep) -> None:
    """Say that this process runs a sweep; Hydra's callback does when one starts."""
    _RUNNING.set(sweep)


def current() -> Sweep | None:
    """The sweep that this process runs, if it runs one that has not ended."""
    return _RUNNING.get()


def check_name(words: Sequence[str]) -> None:
    """ConfigError for a `sweep.name` of the command line that names no folder below outputs/sweeps."""
    for word in words:
        key, _, name = word.lstrip("+").partition("=")
        if key == "sweep.name" and ("/" in name.strip("'\"") or name.strip("'\" ") in ("", ".", "..")):
            raise ConfigError(
                f"{shown(word)}: must be the name of a folder, without /; output_dir=FOLDER says where sweeps go"
            )


def objectives_of(given: object) -> tuple[str, ...]:
    """`objective` is one name or a list of them."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Sequence) or not given:
        raise ConfigError(f"objective={shown(given)}: must name a metric or several, as in objective=sharpe")
    return tuple(str(x) for x in given)


def foreign(launcher: Mapping[str, Any]) -> bool:
    """Whether a launcher of the configuration is not barwise's own."""
    return not str(launcher.get("_target_")).startswith(_OURS)


def _quoted(word: str) -> str:
    """A word as a shell takes it."""
    import shlex

    return shlex.quote(word)


def finish() -> None:
    """Write and print the leaderboard of the sweep that ran, if one did; SweepError if a trial did not end well."""
    sweep = current()
    _RUNNING.set(None)
    if sweep is None or not sweep.folder.is_dir():
        return
    from rich.console import Console

    from barwise.sweeps.leaderboard import Leaderboard

    board = Leaderboard(sweep.folder, sweep.objectives)
    board.update(final=True)
    if not board.rows:
        return
    wide = None if sys.stdout.isatty() else 160  # a file has no edge to wrap at
    Console(highlight=False, width=wide).print(board.table(_SHOWN if not sweep.quiet else 1))
    print(f"leaderboard: {sweep.folder}/leaderboard.csv")
    if sweep.pages:
        from barwise.sweeps.page import finish_pages

        print("\n".join(finish_pages(board, sweep.pages)))
    bad = [row for row in board.rows if row.status in ("failed", "refused", "missing", "not shown")]
    if bad:
        counted = Counter(printable(row.reason or row.status, 200) for row in bad).most_common(3)
        reasons = "; ".join(f"{n} × {reason}" for reason, n in counted)
        more = "; …" if sum(n for _, n in counted) < len(bad) else ""
        raise SweepError(
            f"{len(bad)} of {len(board.rows)} trials failed ({reasons}{more});"
            f" to try them again: {sweep.resume()} sweep.retry=failed"
        )


def ended_by(error: BaseException) -> BaseException:
    """What to tell of an error that came out of a sweep: how many trials failed, where a trial's own ended it."""
    sweep = current()
    if sweep is None or not sweep.foreign:
        return error
    try:
        finish()
    except SweepError as told:
        return told
    return error


def interrupted() -> None:
    """Say on standard error how to go on with the sweep that was stopped."""
    sweep = current()
    _RUNNING.set(None)
    if sweep is None:
        return
    from barwise.sweeps.leaderboard import Leaderboard

    done = 0
    if sweep.folder.is_dir():
        board = Leaderboard(sweep.folder, sweep.objectives)
        board.update()
        done = sum(row.status == "done" for row in board.rows)
    print(f"barwise: stopped; {done} trials are done and kept; to go on: {sweep.resume()}", file=sys.stderr)
