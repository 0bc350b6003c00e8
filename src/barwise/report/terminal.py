"""What a run says on the terminal once it is traded, and where everything is once it is drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from barwise.console.printing import printable
from barwise.runs.directory import RunDirectory
from barwise.runs.measures import capacity_line, detectable_line, fold_correlation, paths_line, shown, shown_in

_MOST_FOLDS = 12  # more of them are told by year


def summary(out: RunDirectory, metrics: Mapping[str, Any], verdict: Mapping[str, Any], quiet: bool) -> None:
    """Print per fold and overall, beside the baselines, to the verdict; one line when quiet."""
    console = Console(highlight=False)
    if quiet:
        n = len(out.manifest["warnings"])
        more = f"  {n} warning{'s' if n > 1 else ''} in run.json: {out.manifest['warnings'][0]:.120}" if n else ""
        line = f"{out.path}  sharpe={shown(metrics['sharpe'], '{:.2f}')}  {printable(verdict['sentence'] + more)}"
        console.print(escape(line), soft_wrap=True)
        return
    ranks = bool(out.manifest.get("ranks"))
    many = len(metrics["folds"]) > _MOST_FOLDS
    console.print(_year_table(out, metrics) if many else _fold_table(metrics, ranks))
    console.print(_overall_table(metrics, ranks))
    if metrics.get("paths"):
        console.print(paths_line(metrics["paths"]), soft_wrap=True)
    if metrics.get("capacity"):
        console.print(f"capacity: {capacity_line(metrics['capacity'])}", soft_wrap=True)
    _warn(console, out.manifest["warnings"])
    for alert in out.manifest["alerts"]:
        console.print(f"[red]alert[/red] {escape(printable(alert))}", soft_wrap=True)
    note = out.manifest.get("data", {}).get("note")
    if note:
        console.print(f"[dim]data: {escape(printable(note))}[/dim]", soft_wrap=True)
    device = out.manifest["device"]
    console.print(f"[dim]device: {device['used']} ({escape(device['reason'])})[/dim]", soft_wrap=True)
    console.print(f"[bold]{escape(printable(verdict['sentence']))}[/bold]", soft_wrap=True)
    found = detectable_line(verdict)
    if found:
        console.print(f"[dim]{found}[/dim]", soft_wrap=True)


def places(out: RunDirectory, told: int) -> None:
    """Print where the page and the dashboard are, after the warnings that came after the first `told`."""
    console = Console(highlight=False)
    _warn(console, out.manifest["warnings"][told:])
    console.print(escape(f"report:      {out.path}/report.html"), soft_wrap=True)
    beside = os.path.normpath(out.path / out.manifest.get("trials_folder", ""))  # the runs on the same problems
    if (out.path / "tensorboard").is_dir():
        console.print(escape(f"dashboard:   tensorboard --logdir {beside}"), soft_wrap=True)


def _warn(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning[/yellow] {escape(printable(warning))}", soft_wrap=True)


def _fold_table(metrics: Mapping[str, Any], ranks: bool = False) -> Table:
    """One line a fold: test period, net and gross Sharpe, rank correlation, accuracy."""
    table = Table(title="out of sample, by fold", box=None, title_justify="left", title_style="bold")
    correlation, heading = fold_correlation(ranks)
    for name in ("fold", "from", "to", "Sharpe net", "gross", heading, "accuracy"):
        table.add_column(name, justify="left" if name in ("from", "to") else "right")
    for fold in metrics["folds"]:
        table.add_row(
            str(fold["fold"]), fold["first"][:10], fold["last"][:10],
            shown(fold["sharpe"], "{:.2f}"), shown(fold["sharpe_gross"], "{:.2f}"),
            shown(fold.get(correlation), "{:.4f}"), shown(fold["accuracy"], "{:.1%}"),
        )  # fmt: skip
    return table


def _year_table(out: RunDirectory, metrics: Mapping[str, Any]) -> Table:
    """One line a year: the folds that begin in it, net and gross Sharpe of its bars, mean correlation of the folds."""
    import numpy as np
    import pyarrow.parquet as pq

    from barwise.backtest.metrics import sharpe_ratio

    ledger = pq.read_table(out.path / "ledger.parquet", columns=["time", "gross", "excess"]).to_pandas()
    per_year = float(out.manifest["data"]["periods_per_year"])
    table = Table(title="out of sample, by year", box=None, title_justify="left", title_style="bold")
    for name in ("year", "folds", "Sharpe net", "gross", "rank corr."):
        table.add_column(name, justify="right")
    for year, rows in ledger.groupby(ledger["time"].dt.year):
        folds = [fold for fold in metrics["folds"] if fold["first"][:4] == str(year)]
        known = [fold["rank_ic"] for fold in folds if fold["rank_ic"] is not None]
        sharpe, gross = (sharpe_ratio(rows[name].to_numpy(), per_year) for name in ("excess", "gross"))
        correlation = float(np.mean(known)) if known else None
        table.add_row(
            str(year), str(len(folds)), shown(sharpe, "{:.2f}"), shown(gross, "{:.2f}"), shown(correlation, "{:.4f}")
        )
    return table


def _overall_table(metrics: Mapping[str, Any], ranks: bool = False) -> Table:
    """The whole out-of-sample stretch, net and gross, and the baselines' net Sharpe beside it."""
    table = Table(title="overall", box=None, title_justify="left", title_style="bold", show_header=False)
    for _ in range(4):
        table.add_column()
    left = [(m.label, shown(metrics.get(m.name), m.form)) for m in shown_in("terminal", ranks)]
    right = [(f"{name.replace('_', ' ')}, Sharpe net", shown(s, "{:.2f}")) for name, s in metrics["baselines"].items()]
    for i, (label, value) in enumerate(left):
        table.add_row(label, value, *(right[i] if i < len(right) else ("", "")))
    return table
