"""python -m barwise refit RUN: a model trained on all data of a run, to serve."""

from __future__ import annotations

from pathlib import Path

from barwise.console.arguments import Arguments


def main(words: list[str]) -> None:
    """Train it, and say where it lies and on what it was trained."""
    parser = Arguments("refit", "Train a run's strategy on all its data; predict and live then use that model.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("data", nargs="*", metavar="data.KEY=VALUE", help="bars in place of the recorded ones")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="your own part, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.commands.predict import data_config
    from barwise.experiment.recipe import data_source
    from barwise.serving.predict import day
    from barwise.serving.refit import refit

    source = data_source(data_config(given.data)) if given.data else None
    found = refit(given.run, source, given.allow)
    facts = found.facts
    budget = ", ".join(f"{name} {value}" for name, value in facts["budget"].items()) or "as configured"
    print(f"{found.folder}  {facts['rows']} rows from {day(facts['first'])} to {day(facts['last'])}; {budget}")
