"""python -m barwise doctor: what this machine can do, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barwise.console.arguments import Arguments
from barwise.devices.checkup import installed, machine, missing, rows_of, settings, talib_works, versions

_N_FEATURES = 32  # as the default feature set has
_NEVER_RUN = "barwise was never run on a real MPS device by its makers: there it is tested by a fake alone"


@dataclass
class _Checkup:
    """Rows of (what, value) by section, and the devices' table."""

    machine: list[tuple[str, str]] = field(default_factory=list)
    versions: list[tuple[str, str]] = field(default_factory=list)
    devices: list[tuple[str, str]] = field(default_factory=list)
    nets: list[dict[str, Any]] = field(default_factory=list)
    engines: list[dict[str, Any]] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether every device that is there agrees with the CPU on every net, and every engine with torch."""
        return all(row["ok"] for row in (*self.nets, *self.engines))


def _examine() -> _Checkup:
    """Ask everything once; a device that fails is a row, not an error."""
    from barwise.devices.backend import BACKENDS, present
    from barwise.devices.choose import missing_for_trees

    found = _Checkup(machine=machine(), versions=versions(), settings=settings(), missing=missing())
    for name, one in BACKENDS.items():
        found.devices.append((name, one.missing() or "there"))
    found.devices += [(f"xgboost on {name}", missing_for_trees(name) or "there") for name in ("cuda",)]
    found.devices.append(("TA-Lib", talib_works()))
    found.nets = [row for name, probe in _shipped_nets() for row in rows_of(name, probe, present())]
    found.engines = [row for name in _engines() for row in _apart(name)]
    if "mps" not in present():
        found.notes.append(_NEVER_RUN)
        found.notes += [f"{name} was never run by its makers {where}" for name, where in _engines().items()]
    return found


def _engines() -> dict[str, str]:
    """The engines beside torch that are installed, and where they were never run; nothing of theirs is imported."""
    from barwise.strategies.engines.known import ENGINES

    return {name: one.never_run for name, one in ENGINES.items() if one.lacking() is None}


def _apart(name: str) -> list[dict[str, Any]]:
    """The rows of an engine, from a process of its own: one has Keras on TensorFlow or on JAX, never both."""
    import json
    import subprocess
    import sys

    command = [sys.executable, "-m", "barwise", "doctor", "--engine", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:200]
        return [{"engine": name, "device": "cpu", "ok": False, "labels_a_second": None, "parity": why}]
    rows: list[dict[str, Any]] = json.loads(lines[-1])
    return rows


def _of_engine(name: str) -> list[dict[str, Any]]:
    """The rows of an engine, with the net that `lstm` trains by default."""
    from hydra.utils import instantiate

    from barwise.console.arguments import compose
    from barwise.strategies.engines.checkup import rows_of as of_engine
    from barwise.strategies.engines.known import engine_of

    engine = engine_of(name)
    words = ["strategy=lstm", f"strategy.engine={name}"]
    trial = instantiate(compose(words).strategy, _convert_="all").trial(_N_FEATURES)
    try:
        engine.start(1)
    except Exception as error:  # of whatever kind a plugin raises when it is loaded
        row = {"engine": name, "device": "cpu", "ok": False, "labels_a_second": None}
        return [{**row, "parity": f"cannot be imported: {type(error).__name__}: {error}"[:200]}]
    return of_engine(engine, trial)


def _shipped_nets() -> list[tuple[str, Any]]:
    """Each net of `conf/strategy/net` as `lstm` trains it by default: name, and what makes it with one batch."""
    from hydra.utils import instantiate

    from barwise.console.arguments import compose
    from barwise.console.config import conf_dir

    names = sorted(path.stem for path in Path(conf_dir(), "strategy", "net").glob("*.yaml"))
    chosen = [(name, ["strategy=lstm", f"strategy/net={name}"]) for name in names] or [("lstm", ["strategy=lstm"])]
    return [
        (name, lambda words=words: instantiate(compose(words).strategy, _convert_="all").probe(_N_FEATURES))
        for name, words in chosen
    ]


def main(words: list[str]) -> None:
    """Print the examination; exit code 1 where a device disagrees with the CPU."""
    parser = Arguments("doctor", "Versions, devices, and parity and speed of every shipped net on each of them.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--engine", help="this engine alone (tensorflow, jax, mlx), as JSON")
    given = parser.parse_args(words)
    if given.engine:
        import json

        print(json.dumps(_of_engine(given.engine)))
        return
    found = _examine()
    if given.json:
        import json
        from dataclasses import asdict

        print(json.dumps({**asdict(found), "well": found.well}, indent=1))
    else:
        _show(found)
    if not found.well:
        raise SystemExit(1)


def _show(found: Any) -> None:
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
    if found.engines:
        table = Table(title="engines, one training step of lstm", box=None, title_justify="left", title_style="bold")
        for name in ("engine", "version", "device", "labels/s", "parity with torch on the CPU"):
            table.add_column(name, justify="right" if name == "labels/s" else "left")
        for row in found.engines:
            rate = row["labels_a_second"]
            words = escape(row["parity"]) if row["ok"] else f"[red]{escape(row['parity'])}[/red]"
            version = installed(row["engine"]) or ""
            table.add_row(row["engine"], version, row["device"], "-" if rate is None else f"{rate:,.0f}", words)
        console.print(table)
    for note in found.notes:
        console.print(f"[yellow]note[/yellow] {note}", soft_wrap=True)
