"""python -m barwise refit RUN: a model trained on all data of a run, to serve."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np

from barwise.console.arguments import Arguments

_LOOK = 60.0  # seconds between looks at the clock, which may be set


def main(words: list[str]) -> None:
    """Train it, and say where it lies and on what it was trained."""
    parser = Arguments("refit", "Train a run's strategy on all its data; predict and live then use that model.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("data", nargs="*", metavar="data.KEY=VALUE", help="bars in place of the recorded ones")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="your own part, by name")
    parser.add_argument("--every", metavar="LENGTH", help="again after every 1D, 1W, 1M …, until it is stopped")
    given = parser.parse_intermixed_args(words)

    from barwise.commands.predict import data_config
    from barwise.console.printing import notice
    from barwise.data.durations import Duration, duration
    from barwise.errors import BarwiseError
    from barwise.experiment.recipe import data_source
    from barwise.serving.predict import day
    from barwise.serving.refit import refit

    every = duration("--every", given.every) if given.every else None

    def once() -> None:
        source = data_source(data_config(given.data)) if given.data else None
        found = refit(given.run, source, given.allow)
        facts = found.facts
        budget = ", ".join(f"{name} {value}" for name, value in facts["budget"].items()) or "as configured"
        told = f"{facts['rows']} rows from {day(facts['first'])} to {day(facts['last'])}; {budget}"
        print(f"{found.folder}  {told}", flush=True)

    once()
    if every is None:
        return
    begun = _now()
    for number in itertools.count(1):
        following = Duration(every.count * number, every.unit).after(begun)  # months keep their day
        print(f"next at {day(following)} UTC", flush=True)
        while (left := (following - _now()) / np.timedelta64(1, "s")) > 0:
            time.sleep(min(left, _LOOK))
        try:
            once()
        except (BarwiseError, OSError) as error:  # a source may be away for a while; the model before is served
            notice(f"alert: {' '.join(str(error).split())}; the last model stays")


def _now() -> np.datetime64:
    """The time in UTC."""
    return np.datetime64("now", "ns")
