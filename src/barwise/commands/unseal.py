"""python -m barwise unseal RUN: score the sealed stretch, once."""

from __future__ import annotations

from pathlib import Path

from barwise.console.arguments import Arguments


def main(words: list[str]) -> None:
    """Print what the run's configuration earned on the stretch it never saw, and how often that was opened."""
    from barwise.runs.measures import shown
    from barwise.serving.unsealing import unseal

    parser = Arguments("unseal", "Train on all open bars and trade the sealed ones, once; the opening is recorded.")
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory, made with sealed.fraction")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="a part of your own, by name")
    given = parser.parse_args(words)
    found = unseal(given.run, given.allow)
    before, after = (shown(x, "{:.2f}") for x in (found.sharpe_before, found.sharpe))
    print(f"sealed stretch {found.first[:10]} to {found.last[:10]}, {found.bars:,} bars traded")
    print(f"  Sharpe net {after}, bootstrap 95 % {shown(found.low, '{:.2f}')} to {shown(found.high, '{:.2f}')}")
    print(f"  Sharpe net {before} out of sample before it")
    print(f"  opened {found.openings} time{'s' if found.openings > 1 else ''} on these symbols; it is sealed no more")
    print(f"  {given.run / 'sealed'}")
