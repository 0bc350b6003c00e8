"""python -m barwise doctor: what this machine can do, and what is missing."""

from __future__ import annotations

from typing import Any

from barwise.console.arguments import Arguments


def main(words: list[str]) -> None:
    """Print the examination; exit code 1 where a device disagrees with the CPU."""
    from barwise.devices.doctor import examine

    parser = Arguments("doctor", "Versions, devices, and parity and speed of every shipped net on each of them.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_args(words)
    found = examine()
    if given.json:
        import json
        from dataclasses import asdict

        print(json.dumps({**asdict(found), "well": found.well}, indent=1))
    else:
        show(found)
    if not found.well:
        raise SystemExit(1)


def show(found: Any) -> None:
    """Tables, one a section."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    for title in ("machine", "versions", "devices", "settings", "missing"):
        rows = getattr(found, title)
        if not rows:
            continue
        table = Table(title=title, box=None, title_justify="left", title_style="bold", show_header=False)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
    table = Table(title="nets, one training step", box=None, title_justify="left", title_style="bold")
    for name in ("net", "device", "ms", "rows/s", "parity with the CPU"):
        table.add_column(name, justify="right" if name in ("ms", "rows/s") else "left")
    for row in found.nets:
        ms = row["step_ms"]
        speed = ("-", "-") if ms is None else (f"{ms:.1f}", f"{row['rows_a_second']:,.0f}")
        words = escape(row["parity"]) if row["ok"] else f"[red]{escape(row['parity'])}[/red]"
        table.add_row(row["net"], row["device"], *speed, words)
    console.print(table)
    for note in found.notes:
        console.print(f"[yellow]note[/yellow] {note}", soft_wrap=True)
