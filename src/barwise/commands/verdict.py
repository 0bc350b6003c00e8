"""python -m barwise verdict RUN|SWEEP …: what the evidence supports as of now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.arguments import Arguments
from barwise.errors import DataError
from barwise.evidence.sentence import p_words
from barwise.runs.measures import VERDICT, shown
from barwise.safety.files import inside, read_json

if TYPE_CHECKING:
    from barwise.sweeps.leaderboard import Leaderboard


def main(words: list[str]) -> None:
    """Print the verdict on each run, computed anew, and renew its verdict.json; a sweep has its best run's, and PBO."""
    parser = Arguments("verdict", "What the evidence supports, after all trials made so far.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's directory, or a sweep's")
    for folder in parser.parse_args(words).runs:
        if (folder / "run.json").is_file():
            _tell(folder)
        else:
            _tell_sweep(folder)


def _tell(folder: Path) -> None:
    """One run: the sentence, then the numbers."""
    from barwise.evidence.verdict import verdict_of
    from barwise.runs.directory import write_json

    found = verdict_of(folder)
    if not found:
        raise DataError(f"{folder}: has no verdict.json; the run did not end well")
    write_json(folder / "verdict.json", found)
    print(f"{folder}: {found.get('sentence') or 'not shown: verdict.json has no sentence'}")
    for m in VERDICT:
        if m.name in found:
            print(f"  {m.label:<26}{shown(found[m.name], m.form):>9}  {m.means}")
    if found.get("footnote"):
        print(f"  {found['footnote']}")


def _tell_sweep(folder: Path) -> None:
    """A sweep: how likely choosing its best is overfitting, and the verdict on its best by net Sharpe ratio."""
    from barwise.evidence.overfitting import of_runs
    from barwise.sweeps.leaderboard import Leaderboard

    done = _finished(folder)
    if not done:
        raise DataError(f"{folder}: is neither a run's directory nor a sweep's with finished runs")
    if len(done) > 1:
        print(of_runs(list(done)).sentence())
        board = Leaderboard(folder)
        board.update(write=False, final=True)
        print(_second_opinion(board))
    traded = {run: sharpe for run, sharpe in done.items() if sharpe is not None}
    _tell(max(traded, key=lambda run: traded[run]) if traded else next(iter(done)))


def _second_opinion(board: Leaderboard) -> str:
    """What a bootstrap over the sweep's own trials says."""
    if board.check is None:
        return "Reality check: not possible, the trials share too few bars."
    named = ", ".join(row.name for row in board.rows if row.skilled) or "none"
    done = sum(row.skilled is not None for row in board.rows)
    p = p_words(board.check.p_value)
    return f"Reality check over the sweep's {done} trials: p {p}; StepM finds skill in {named}."


def _finished(folder: Path) -> dict[Path, Any]:
    """Net Sharpe of each finished run below a sweep's folder, by its directory, in order."""
    found = sorted(path.parent for path in folder.glob("*/metrics.json") if (path.parent / "ledger.parquet").is_file())
    return {run: read_json(inside(run, "metrics.json")).get("sharpe") for run in found}
