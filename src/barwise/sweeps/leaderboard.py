"""The trials of a sweep, or any folder of runs, ranked by what they were compared on."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.errors import DataError
from barwise.evidence import trials as ledger
from barwise.evidence.overfitting import common_returns
from barwise.evidence.reality_check import RealityCheck, reality_check
from barwise.evidence.sentence import p_words
from barwise.evidence.verdict import Record
from barwise.runs.csv_files import write_csv
from barwise.runs.measures import LEAST_IS_BEST
from barwise.sweeps.rows import Row, manifests, row_of

if TYPE_CHECKING:
    from rich.table import Table

NAME = "leaderboard.csv"
SKILL = {None: "-", True: "yes", False: "no"}  # what StepM says of a trial


@dataclass
class Leaderboard:
    """`update` reads what has changed below `folder` since it was last called, ranks it and writes leaderboard.csv."""

    folder: Path
    objectives: Sequence[str] = ("sharpe",)
    rows: list[Row] = field(default_factory=list)
    read: dict[Path, tuple[float, Row]] = field(default_factory=dict)
    check: RealityCheck | None = None

    def update(self, write: bool = True, final: bool = False) -> None:
        """Read, rank and, unless there is nothing, write; whole or not at all. `final`: read all ledgers as well, and
        name the trials that have skill."""
        for path in manifests(self.folder):
            stamp = path.lstat().st_mtime
            if path not in self.read or self.read[path][0] != stamp:
                self.read[path] = (stamp, row_of(path.parent, self.folder, self.objectives))
        found = [row for _, row in self.read.values()]
        _judge(found)
        _across_seeds(found)
        self.check = _mark_skilled(self.folder, found) if final else None
        self.rows = sorted(found, key=self._rank)
        if write and self.rows:
            records = list(self.records())
            write_csv(self.folder / NAME, {name: [row[name] for row in records] for name in records[0]})

    def _rank(self, row: Row) -> tuple[bool, float, str]:
        value = row.values[0] if row.values else None
        if value is None or row.status != "done":
            return True, 0.0, row.name.zfill(12)
        return False, value if self.objectives[0] in LEAST_IS_BEST else -value, row.name.zfill(12)

    def records(self) -> Iterator[dict[str, Any]]:
        """One a row: rank, trial, status, objectives, deflated Sharpe, spread over seeds, device, seconds, reason."""
        shared = _shared_words(self.rows)
        for rank, row in enumerate(self.rows, 1):
            values = dict(zip(self.objectives, row.values or [None] * len(self.objectives), strict=True))
            yield {
                "rank": rank, "trial": row.name, "status": row.status, **values, **{"sharpe": row.sharpe, **values},
                "p_value": row.p_value, "stepm": row.skilled, "dsr": row.dsr,
                "seeds": row.seeds, "mean_over_seeds": row.mean, "std_over_seeds": row.spread,
                "seed": row.seed, "device": row.device, "seconds": row.seconds,
                "overrides": " ".join(w for w in row.overrides if w not in shared), "reason": row.reason,
            }  # fmt: skip

    def table(self, most: int = 30) -> Table:
        """The first `most` rows for a terminal; all trials that did not end well are below them."""
        from rich.markup import escape
        from rich.table import Table

        from barwise.evidence.sentence import counted

        title = f"{counted(len(self.rows), 'trial')} by {', '.join(self.objectives)}, net and out of sample"
        table = Table(title=title, box=None, title_justify="left", title_style="bold")
        heads = (
            "",
            "trial",
            *self.objectives,
            "p",
            "skill",
            "DSR",
            "over seeds",
            "device",
            "seconds",
            "status",
            "what",
        )
        records = list(self.records())
        kept = [r for i, r in enumerate(records) if i < most or r["status"] != "done"]
        rows = [_cells(record, self.objectives) for record in kept]
        for i, name in enumerate(heads):
            width = None if name == "what" else max(len(name), *(len(row[i]) for row in rows))
            left = name in ("trial", "skill", "device", "status", "what")
            table.add_column(name, justify="left" if left else "right", no_wrap=name != "what", min_width=width)
        for row in rows:
            table.add_row(*map(escape, row))
        if len(kept) < len(records):
            table.caption = f"{len(records) - len(kept)} more in {self.folder / NAME}"
        return table


def _cells(record: Mapping[str, Any], objectives: Sequence[str]) -> list[str]:
    """A record as a row of the terminal's table."""
    spread = "-"
    if record["seeds"] > 1 and record["std_over_seeds"] is not None:
        spread = f"{record['mean_over_seeds']:.3g} ± {record['std_over_seeds']:.2g} ({record['seeds']})"
    what = record["overrides"] if not record["reason"] else f"{record['overrides']}  {record['reason']}"
    return [
        str(record["rank"]), str(record["trial"]), *(_number(record[name]) for name in objectives),
        "-" if record["p_value"] is None else p_words(record["p_value"]), SKILL[record["stepm"]],
        "-" if record["dsr"] is None else f"{record['dsr']:.2f}", spread, record["device"] or "-",
        "-" if record["seconds"] is None else f"{record['seconds']:.1f}", record["status"], _shortened(what.strip()),
    ]  # fmt: skip


def _shortened(text: str, most: int = 90) -> str:
    """The text, cut where it is too long for a table."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(value: float | None) -> str:
    """Three digits; a dash where it is undefined."""
    return "-" if value is None else f"{value:.3g}"


def _judge(rows: Sequence[Row]) -> None:
    """Each row's p and deflated Sharpe after all trials on its market, as barwise.evidence.verdict has them."""
    markets = defaultdict(list)
    for row in rows:
        row.p_value = row.dsr = None
        if row.moments and row.home and row.scope:
            markets[row.home.resolve(), row.scope].append(row)
    for (home, scope), group in markets.items():
        record = Record(ledger.read(home, scope))
        for row in group if record.trials else ():
            if row.moments is not None:
                about = record.judgement(row.moments, row.family)
                row.p_value, row.dsr = about["p_value"], about["dsr"]


def _mark_skilled(folder: Path, rows: Sequence[Row]) -> RealityCheck | None:
    """Which of the trials below `folder` StepM finds to have skill, on the bars that all finished ones have; None where
    these are too few to tell."""
    done = [row for row in rows if row.status == "done" and row.moments is not None]
    runs = [
        folder if row.name == folder.name and not (folder / row.name).is_dir() else folder / row.name for row in done
    ]
    try:
        check = reality_check(common_returns(runs)) if done else None
    except (OSError, ValueError, DataError):
        check = None
    for place, row in enumerate(done):
        row.skilled = None if check is None else place in check.skilled
    return check


def _across_seeds(rows: Sequence[Row]) -> None:
    """Mean and standard deviation of the first objective over trials that differ in nothing but the seed."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(w for w in row.overrides if not w.startswith("seed="))].append(row)
    for group in groups.values():
        values = [row.values[0] for row in group if row.values and row.values[0] is not None]
        for row in group:
            row.seeds = len(values)
            row.mean = statistics.fmean(values) if values else None
            row.spread = statistics.stdev(values) if len(values) > 1 else None


def _shared_words(rows: Sequence[Row]) -> set[str]:
    """Overrides that every row has, which tell nothing apart."""
    return set.intersection(*(set(row.overrides) for row in rows)) if len(rows) > 1 else set()
