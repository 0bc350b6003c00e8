"""python -m barwise report RUN|SWEEP …: render pages again, from the directories alone."""

from __future__ import annotations

from pathlib import Path

from barwise.commands.arguments import Arguments


def main(words: list[str]) -> None:
    """Render the page of each run and print where it is."""
    from barwise.report.html import render

    parser = Arguments("report", "Render report.html of runs again, and sweep.html of folders of runs.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory, or a sweep's")
    for folder in parser.parse_args(words).runs:
        if folder.is_dir() and not (folder / "run.json").exists():
            from barwise.report.sweep import render_sweep

            print(render_sweep(folder))
        else:
            print(render(folder))
