"""python -m barwise compare RUN RUN …: runs side by side."""

from __future__ import annotations

from pathlib import Path

from barwise.console.arguments import Arguments


def main(words: list[str]) -> None:
    """Print the comparison; `--html PATH` writes it as a page too."""
    from rich.console import Console

    from barwise.report.compare import compare

    parser = Arguments("compare", "Two or more runs side by side, on their common bars.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory")
    parser.add_argument("--html", type=Path, help="also write the comparison as a page")
    given = parser.parse_args(words)
    found = compare(given.runs)
    Console().print(found)
    if given.html:
        print(found.write(given.html))
