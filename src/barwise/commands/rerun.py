"""python -m barwise rerun RUN: the recorded configuration on the recorded bars, once more."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from barwise.console.arguments import Arguments

_SHOWN = 10


def main(words: list[str]) -> None:
    """Say whether all metrics are equal; exit code 1 where they are not."""
    parser = Arguments("rerun", "Run a recorded experiment again on the same bars, and compare its metrics.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("data", nargs="*", metavar="data.KEY=VALUE", help="where the recorded bars are now, if moved")
    parser.add_argument("--out", type=Path, help="a new directory for it; outputs/reruns/<time> without it")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="your own part, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.commands.predict import data_config
    from barwise.errors import ConfigError
    from barwise.experiment.recipe import data_source
    from barwise.serving.rerun import rerun

    out = given.out or Path("outputs") / "reruns" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    if out.exists():
        raise ConfigError(f"--out {out}: is there already; name a new directory")
    found = rerun(given.run, out, data_source(data_config(given.data)) if given.data else None, given.allow)
    print(f"{found.folder}  {found.metrics - len(found.differences)} of {found.metrics} metrics are equal")
    for change in found.changes:
        print(f"  not as recorded: {change}")
    for name, (was, now) in list(found.differences.items())[:_SHOWN]:
        print(f"  {name}: {was} → {now}")
    if found.differences:
        sys.exit(1)
