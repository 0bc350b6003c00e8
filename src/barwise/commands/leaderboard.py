"""python -m barwise leaderboard DIR: the runs below a folder, ranked."""

from __future__ import annotations

from pathlib import Path

from barwise.console.arguments import Arguments
from barwise.errors import ConfigError, DataError


def main(words: list[str]) -> None:
    """Print the ranking and write leaderboard.csv beside the runs."""
    from rich.console import Console

    from barwise.runs.measures import OBJECTIVES
    from barwise.sweeps.leaderboard import NAME, Leaderboard
    from barwise.sweeps.rows import own_measures

    parser = Arguments("leaderboard", "The runs below a folder, ranked by what they were compared on.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="a sweep's directory, or any folder of runs")
    parser.add_argument("--by", default="sharpe", metavar="METRIC", help="what to rank by (sharpe)")
    parser.add_argument("--most", type=int, default=30, metavar="N", help="rows to print; the file has all (30)")
    given = parser.parse_args(words)
    if not given.folder.is_dir():
        raise DataError(f"{given.folder}: is no folder; name one under outputs/")
    if given.by not in OBJECTIVES:
        known = [*OBJECTIVES, *own_measures(given.folder)]
        if given.by not in known:
            raise ConfigError(f"leaderboard --by {given.by}: must be one of {', '.join(known)}")
    board = Leaderboard(given.folder, (given.by,))
    board.update(final=True)
    if not board.rows:
        raise DataError(f"{given.folder}: holds no run; name a folder under outputs/")
    Console(highlight=False).print(board.table(given.most))
    print(f"leaderboard: {given.folder / NAME}")
