"""python -m barwise report RUN|SWEEP …: render pages again, from the directories alone."""

from __future__ import annotations

import sys
from pathlib import Path

from barwise.console.arguments import Arguments
from barwise.errors import BarwiseError


def main(words: list[str]) -> None:
    """Render the page of each run and print where it is; one that cannot be rendered does not keep the others."""
    parser = Arguments("report", "Render report.html of runs again, and sweep.html of folders of runs.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory, or a sweep's")
    failed: list[BarwiseError] = []
    for folder in parser.parse_args(words).runs:
        try:
            print(_page(folder))
        except BarwiseError as error:
            failed.append(error)
    for other in failed[:-1]:
        print(f"barwise: {other}", file=sys.stderr)
    if failed:
        raise failed[-1]


def _page(folder: Path) -> Path:
    """Render the page of a run, or of a folder of runs."""
    if folder.is_dir() and not (folder / "run.json").exists():
        from barwise.sweeps.page import render_sweep

        return render_sweep(folder)
    from barwise.report.html import render

    return render(folder)
