"""python -m barwise report RUN …: render report.html again, from the run's directory alone."""

from __future__ import annotations

from pathlib import Path

from barwise.commands.arguments import Arguments


def main(words: list[str]) -> None:
    """Render the page of each run and print where it is."""
    from barwise.report.html import render

    parser = Arguments("report", "Render report.html of one or more runs again.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory")
    for folder in parser.parse_args(words).runs:
        print(render(folder))
