"""`python -m barwise VERB …`: everything but training, which is `python train.py` (or the verb `train`)."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from barwise.console.messages import guarded
from barwise.errors import ConfigError

# One module of barwise.commands each, imported when asked for, with `main(words)`.
VERBS = {
    "audit": "look for the future in the past, thoroughly, and report",
    "benchmark": "measure, each figure beside a baseline",
    "cache": "feature matrices that are kept, and clearing them",
    "compare": "two or more runs side by side",
    "contracts": "check every part, yours included, against what it must keep to",
    "doctor": "what this machine can do: devices, parity, speed, what is missing",
    "leaderboard": "the runs below a folder, ranked",
    "look": "what is in your bars, before training on them",
    "live": "score bars as they come, from standard input or a growing file",
    "predict": "scores and signals of new bars, by the model of a run",
    "refit": "train a run's strategy on all its data, to serve",
    "report": "render report.html of a run again",
    "rerun": "run a recorded experiment again, and compare",
    "unseal": "score the sealed stretch of a run, once",
    "verdict": "what the evidence supports after all trials so far; overfitting of a sweep",
}


os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in commands/train.py


def main(words: list[str] | None = None) -> None:
    """Run one verb; exit code 2 and one line for a user's mistake, 3 for a leak, 1 for our fault."""
    given = sys.argv[1:] if words is None else words
    if not given or given[0] in ("-h", "--help", "help"):
        guarded(lambda: print(overview()))
        return
    guarded(lambda: run_verb(given[0], given[1:]))


def run_verb(verb: str, words: list[str]) -> None:
    """Import the verb's module and call it."""
    if verb == "train":
        from barwise.commands import train

        sys.argv = ["barwise train", *words]
        train.main()
        return
    if verb not in VERBS:
        raise ConfigError(f"{verb}: no such verb; there are train, {', '.join(VERBS)}")
    import_module(f"barwise.commands.{verb}").main(words)


def overview() -> str:
    """The verbs, one line each."""
    width = max(map(len, VERBS)) + 2
    lines = [f"  {name:<{width}}{what}" for name, what in [("train", "as train.py does"), *VERBS.items()]]
    return "\n".join(["usage: python -m barwise VERB …   (VERB --help tells more)", "", *lines])


if __name__ == "__main__":
    main()
