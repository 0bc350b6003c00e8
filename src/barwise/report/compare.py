"""Runs side by side: metrics, what differs, equity on the same bars, and whether a difference means anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.errors import ConfigError, DataError
from barwise.evidence.paired_bootstrap import paired_bootstrap
from barwise.report.difference import Difference
from barwise.report.run import Run, load
from barwise.runs.directory import write_text
from barwise.runs.measures import MEASURES, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderResult

_NOT_COMPARED = ("cache", "output_dir", "quiet", "sweep", "hydra")  # where a run writes changes no number


@dataclass(frozen=True)
class Comparison:
    """Two or more runs; rows are (name, one value a run). It prints itself with rich, and as HTML in a notebook."""

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    metrics: list[tuple[str, list[str]]]
    config: list[tuple[str, list[str]]]
    origins: list[tuple[str, list[str]]]
    differences: list[Difference]

    def equity(self, narrow: bool = False) -> Figure:
        """Net equity of each run that has a ledger, over the bars that all of those have; `narrow` for a phone."""
        from barwise.report.draw_compare import overlaid

        kept = [i for i, run in enumerate(self.runs) if (run.folder / "ledger.parquet").is_file()]
        if not kept:
            raise DataError("none of the runs has a ledger")
        time, returns = _common([self.runs[i] for i in kept], "net")
        return overlaid(time, dict(zip([self.names[i] for i in kept], returns, strict=True)), narrow)

    def write(self, path: Path) -> Path:
        """Write the page to `path`, or to compare.html in it where it is a folder; whole or not at all."""
        from barwise.report.draw_compare import document

        target = path / "compare.html" if path.is_dir() or not path.suffix else path
        write_text(target, document(self))
        return target

    def tables(self) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
        """Title, head and rows of each table, for any way of printing."""
        head = ("", *self.names)
        found = [("metrics, net unless named gross", head, _flat(self.metrics))]
        found.append(
            ("configuration: what differs", head, _flat(self.config) or [["nothing", *["–"] * len(self.runs)]])
        )
        found.append(("code, data and device", head, _flat(self.origins)))
        rows = [_sentence(d, self.names[0]) for d in self.differences]
        bootstrap = ("", "difference a year", "95 % interval", "p", "common bars", "")
        return [*found, ("difference in net Sharpe, paired block bootstrap", bootstrap, rows)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table

        for title, head, rows in self.tables():
            table = Table(title=title, box=None, title_justify="left", title_style="bold")
            for i, name in enumerate(head):
                table.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
            for row in rows:
                table.add_row(*row)
            yield table

    def _repr_html_(self) -> str:
        from barwise.report.markup import joined, table, tag

        return joined(joined((tag("h4", title), table(head, rows))) for title, head, rows in self.tables())


def compare(folders: Sequence[Path]) -> Comparison:
    """Two or more finished runs side by side, differences against the first.

    ConfigError for fewer than two, DataError for a directory that is no run's.
    """
    if len(folders) < 2:
        raise ConfigError(f"compare: {len(folders)} run given; name two or more run directories")
    runs = tuple(load(folder) for folder in folders)
    metrics = [
        (m.label, [shown(run.metrics.get(m.name), m.form) for run in runs])
        for m in MEASURES
        if any(m.name in run.metrics for run in runs)
    ]
    metrics.append(("p, after all trials", [shown(run.verdict.get("p_value"), "{:.3f}") for run in runs]))
    metrics.append(("deflated Sharpe", [shown(run.verdict.get("dsr"), "{:.2f}") for run in runs]))
    return Comparison(
        runs, _names_of(runs), metrics, _config_differences(runs), _origins_of(runs),
        [_difference(runs[0], run, name) for run, name in zip(runs[1:], _names_of(runs)[1:], strict=True)],
    )  # fmt: skip


def _names_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """A letter and the title of each run, such as `A xgboost on sample`; unique by the letter."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    marks = (letters[i] if i < len(letters) else str(i) for i in range(len(runs)))
    return tuple(f"{mark} {run.title}" for mark, run in zip(marks, runs, strict=True))


def _config_differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Each dotted key whose value is not the same everywhere; a dash where a run has no such key."""
    trees = [dict(_leaves(run.config)) for run in runs]
    keys = sorted({key for tree in trees for key in tree if key.split(".")[0] not in _NOT_COMPARED})
    rows = [(key, [str(tree[key]) if key in tree else "–" for tree in trees]) for key in keys]
    return [row for row in rows if len(set(row[1])) > 1 and not _one_number([tree.get(row[0]) for tree in trees])]


def _one_number(values: Sequence[Any]) -> bool:
    """Whether all are the same number, however it was written: 1000000 and 1e6."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and len(set(values)) == 1


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted name and value of each leaf of a nested mapping; a list is a leaf."""
    if not isinstance(node, Mapping) or not node:
        return [(prefix, node)]
    return [leaf for k, v in node.items() for leaf in _leaves(v, f"{prefix}.{k}" if prefix else str(k))]


def _origins_of(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Directory, code revision, data hash, device, seed, and the versions that differ."""
    found: list[tuple[str, list[str]]] = [("directory", [str(run.folder) for run in runs])]
    for name in ("status", "seed", "threads", "data_hash"):
        found.append((name.replace("_", " "), [_short(run.manifest.get(name)) for run in runs]))
    found.append(("device", [_short((run.manifest.get("device") or {}).get("used")) for run in runs]))
    found.append(("code", [_revision(run) for run in runs]))
    versions = [run.manifest.get("versions") or {} for run in runs]
    for name in sorted({name for v in versions for name in v}):
        row = [_short(v.get(name)) for v in versions]
        if len(set(row)) > 1:
            found.append((name, row))
    return [(label, [*row]) if len(set(row)) > 1 else (f"{label} (same)", row) for label, row in found]


def _revision(run: Run) -> str:
    """Short git revision; a + where there were local changes."""
    git = run.manifest.get("git") or {}
    return f"{str(git['revision'])[:12]}{'+' if git.get('dirty') else ''}" if git.get("revision") else "–"


def _short(value: Any) -> str:
    """A value for a narrow column: long hashes by their first 16 signs."""
    return "–" if value is None else str(value)[:16]


def _common(runs: Sequence[Run], name: str = "excess") -> tuple[np.ndarray, list[np.ndarray]]:
    """The times that every run's ledger has, and a column of each run on them; DataError where there is none."""
    lacking = next((run for run in runs if name not in run.ledger), None)
    if lacking is not None:
        raise DataError(
            f"{lacking.name}: ledger.parquet has no column {name}; run it again with this version of barwise"
        )
    tables = [(run.ledger["time"].to_numpy(), run.ledger[name].to_numpy(np.float64)) for run in runs]
    time = tables[0][0]
    for other, _ in tables[1:]:
        time = np.intersect1d(time, other)
    return time, [net[np.searchsorted(own, time)] for own, net in tables]


def _difference(first: Run, other: Run, name: str) -> Difference:
    """The paired bootstrap of `other` less `first` on their common bars."""
    try:
        time, (a, b) = _common((first, other))
    except DataError as error:
        return Difference(name, 0, reason=str(error))
    if len(time) < 30:
        return Difference(name, len(time), reason="fewer than 30 bars in common")
    try:
        found = paired_bootstrap(b, a)
    except ConfigError as error:
        return Difference(name, len(time), reason=str(error).partition(": ")[2])
    scale = math.sqrt(first.periods_per_year)
    return Difference(name, len(time), found[0] * scale, found[1] * scale, found[2] * scale, found[3])


def _sentence(d: Difference, first: str) -> list[str]:
    """One row of the table of differences, with what it means in words."""
    if d.value is None:
        return [f"{d.run} less {first}", "–", "–", "–", str(d.bars), d.reason]
    means = "a difference that chance would seldom make" if (d.p or 0) < 0.05 else "could be chance"
    interval = f"{shown(d.low, '{:+.2f}')} to {shown(d.high, '{:+.2f}')}"
    return [f"{d.run} less {first}", f"{d.value:+.2f}", interval, shown(d.p, "{:.3f}"), f"{d.bars:,}", means]


def _flat(rows: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    return [[name, *values] for name, values in rows]
