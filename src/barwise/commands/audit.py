"""python -m barwise audit key=value …: the thorough look-ahead audit of what train.py would run, and a report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.arguments import Arguments, compose
from barwise.errors import ConfigError

if TYPE_CHECKING:
    from barwise.audit.findings import Audit

_LISTED = 12  # features of the table of start-up drift that the terminal shows


def main(words: list[str]) -> None:
    """Audit, print what was looked at and found, file audit.json and audit.html; LeakError (exit code 3) on a leak."""
    from barwise.report.audit_page import document
    from barwise.runs.directory import write_json, write_text

    parser = Arguments("audit", "Look for the future in the past of what train.py would run with these overrides.")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for train.py: features=my_set, …")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder of your own groups, as for train.py")
    given = parser.parse_args(words)
    where = [f"hydra.searchpath=[file://{given.config_dir.resolve()}]"] if given.config_dir else []
    cfg = compose(["audit=thorough", *where, *given.overrides])
    if cfg.audit == "none":
        raise ConfigError("audit=none: there is nothing to do; leave it out for the thorough audit")
    audit, facts = _examine(cfg)
    folder = Path(str(cfg.output_dir)) / "audits" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    filed = {"overrides": given.overrides, **facts, "audit": audit.report()}
    write_json(folder / "audit.json", filed)
    write_text(folder / "audit.html", document(filed))
    _show(filed)
    print(f"report: {folder}/audit.html")
    audit.refuse()


def _examine(cfg: Any) -> tuple[Audit, dict[str, Any]]:
    """The audit of a composed configuration, and the facts that its report shows."""
    from barwise.audit.process import CleanProcess
    from barwise.audit.rows import RowProof
    from barwise.data.checks import check_market
    from barwise.data.hash import data_hash
    from barwise.data.members import described
    from barwise.experiment.auditing import audit_of, past_work
    from barwise.experiment.compute import threads_of
    from barwise.experiment.recipe import parts_of
    from barwise.features.prepare import prepared
    from barwise.panel import build_panel

    parts = parts_of(cfg)
    market = check_market(parts.data())
    facts = described(market.facts)
    threads = threads_of(parts)
    clean = CleanProcess(past_work(parts, market.bars, market.universe))  # before anything is computed
    try:
        matrix, start_up = prepared(market, data_hash(market), parts.features, threads, None)
        panel = build_panel(matrix, parts.labels, market.universe)
        proof = RowProof(matrix, parts.features, clean, market.bars)
        audit = audit_of(parts, matrix, panel, parts.validation.folds(panel), proof)
    finally:
        clean.close()
    return audit, {
        "data": {
            "name": facts.get("name"),
            "symbols": list(market.symbols),
            "rows": len(panel),
            "note": facts.get("note"),
        },
        "data_hash": data_hash(market),
        "sets": list(parts.features),
        "features": list(panel.features),
        "strategy": type(parts.strategy).__name__,
        "start_up": start_up.report(),
    }


def _show(filed: dict[str, Any]) -> None:
    """The report on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, audit = Console(highlight=False), filed["audit"]
    table = Table(title=f"{audit['mode']} audit", box=None, title_justify="left", title_style="bold")
    for name in ("check", "comparisons", "leaks"):
        table.add_column(name, justify="left" if name == "check" else "right")
    for name, count in audit["checks"].items():
        leaks = sum(f["level"] == "leak" and f["check"] == name for f in audit["findings"])
        table.add_row(name, f"{count:,}", str(leaks))
    console.print(table)
    for finding in audit["findings"]:
        color = {"leak": "red", "suspicion": "yellow"}.get(finding["level"], "dim")
        console.print(f"[{color}]{finding['level']}[/{color}] {escape(finding['text'])}", soft_wrap=True)
    start_up = filed["start_up"]
    settled = f"warm-up {start_up['bars']} bars" + (f", for {start_up['slowest']}" if start_up["slowest"] else "")
    words = "from there on a value is within 1 % of a deviation of what a longer history gives"
    console.print(f"{settled}: {words}", soft_wrap=True)
    drifting = Table(box=None)
    for name in ("depends on where history starts", "defined after", "settled after", "first value is off by"):
        drifting.add_column(name, justify="left" if name.startswith("depends") else "right")
    for name, line in list(start_up["features"].items())[:_LISTED]:
        never = "never" if line["settled"] is None else f"{line['settled']} bars"
        drifting.add_row(name, f"{line['defined']} bars", never, f"{line['at_first']:.2f} deviations")
    if start_up["features"]:
        console.print(drifting)
    console.print("[bold green]no leak found[/]" if audit["passed"] else "[bold red]refused[/]")
