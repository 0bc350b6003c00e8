"""`python -m barwise VERB …`: everything but training, which is `python train.py` (or the verb `train`)."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from barwise import commands
from barwise.console.messages import guarded
from barwise.errors import ConfigError

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in commands/train.py


def main(words: list[str] | None = None) -> None:
    """Run one verb; exit code 2 and one line for a user's mistake, 3 for a leak, 1 for our fault."""
    given = sys.argv[1:] if words is None else words
    if not given or given[0] in ("-h", "--help", "help"):
        guarded(lambda: print(_overview()))
        return
    guarded(lambda: _run_verb(given[0], given[1:]))


def _run_verb(verb: str, words: list[str]) -> None:
    """Import the verb's module and call it."""
    if verb == "train":
        from barwise.commands import train

        sys.argv = ["barwise train", *words]
        train.main()
        return
    if verb not in _verbs():
        raise ConfigError(f"{verb}: no such verb; there are train, {', '.join(_verbs())}")
    import_module(f"barwise.commands.{verb}").main(words)


def _verbs() -> dict[str, str]:
    """What each verb does: a verb is a module of barwise.commands that begins `python -m barwise NAME: …`."""
    found = {}
    for folder in commands.__path__:
        for path in sorted(Path(folder).glob("*.py")):
            with path.open(encoding="utf-8") as file:
                head, _, what = file.readline().partition(": ")
            if head.startswith(f'"""python -m barwise {path.stem}'):
                found[path.stem] = what.strip().strip('."')
    return found


def _overview() -> str:
    """The verbs, one line each."""
    width = max(map(len, _verbs())) + 2
    lines = [f"  {name:<{width}}{what}" for name, what in [("train", "as train.py does"), *_verbs().items()]]
    return "\n".join(["usage: python -m barwise VERB …   (VERB --help tells more)", "", *lines])


if __name__ == "__main__":
    main()
