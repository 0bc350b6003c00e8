"""python -m barwise verdict RUN|SWEEP …: what the evidence supports as of now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from barwise.console.arguments import Arguments
from barwise.errors import DataError
from barwise.runs.measures import VERDICT, shown
from barwise.safety.files import inside, read_json


def main(words: list[str]) -> None:
    """Print the verdict on each run, computed anew, and renew its verdict.json; a sweep has its best run's, and PBO."""
    parser = Arguments("verdict", "What the evidence supports, after all trials made so far.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory, or a sweep's")
    for folder in parser.parse_args(words).runs:
        if (folder / "run.json").is_file():
            tell(folder)
        else:
            tell_sweep(folder)


def tell(folder: Path) -> None:
    """One run: the sentence, then the numbers."""
    from barwise.evidence.stamp import stamped
    from barwise.evidence.verdict import verdict_of
    from barwise.runs.directory import write_json

    found = stamped(verdict_of(folder), read_json(inside(folder, "run.json")))
    if not found:
        raise DataError(f"{folder}: has no verdict.json; the run did not end well")
    write_json(folder / "verdict.json", found)
    print(f"{folder}: {found['sentence']}")
    for m in VERDICT:
        if m.name in found:
            print(f"  {m.label:<26}{shown(found[m.name], m.form):>9}  {m.means}")


def tell_sweep(folder: Path) -> None:
    """A sweep: how likely choosing its best is overfitting, and the verdict on its best by net Sharpe ratio."""
    from barwise.evidence.overfitting import of_runs

    done = finished(folder)
    if not done:
        raise DataError(f"{folder}: is neither a run's directory nor a sweep's with finished runs")
    if len(done) > 1:
        print(of_runs(list(done)).sentence())
    traded = {run: sharpe for run, sharpe in done.items() if sharpe is not None}
    tell(max(traded, key=lambda run: traded[run]) if traded else next(iter(done)))


def finished(folder: Path) -> dict[Path, Any]:
    """Net Sharpe of each finished run below a sweep's folder, by its directory, in order."""
    found = sorted(path.parent for path in folder.glob("*/metrics.json") if (path.parent / "ledger.parquet").is_file())
    return {run: read_json(inside(run, "metrics.json")).get("sharpe") for run in found}
