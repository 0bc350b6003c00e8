"""A finished run read back: `barwise.load("outputs/…")` for notebooks, reports and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.evidence.verdict import verdict_of
from barwise.runs.measures import shown, shown_in
from barwise.runs.run import RunFiles

if TYPE_CHECKING:
    from barwise.report.figures import Figures


def load(path: str | Path) -> Run:
    """The run in directory `path`; nothing in it is executed. DataError where it is not a run's directory."""
    return Run.of(path)


@dataclass(frozen=True, repr=False)
class Run(RunFiles):
    """What one run directory holds, with its verdict and its figures; files are read when first asked for.

    `metrics`, `verdict`, `curves` are empty dicts where the run did not get so far; `predictions` and `ledger` (pandas
    frames), and a file that cannot be read, raise DataError.
    """

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """n_trials, dsr, sentence and more, as of now: trials made after this run count; verdict.json is as filed."""
        return verdict_of(self.folder)

    @property
    def figures(self) -> Figures:
        """The figures by name, each drawn when asked for: `run.figures["equity"]`."""
        from barwise.report.figures import Figures  # matplotlib takes a while

        return Figures(self)

    def rows(self) -> list[tuple[str, str]]:
        """What the run prints itself as: label and value."""
        rows = [("run", str(self.folder)), ("what", self.title), ("status", str(self.manifest.get("status")))]
        if self.manifest.get("reason"):
            rows.append(("reason", str(self.manifest["reason"])))
        rows += [
            (m.label, shown(self.metrics.get(m.name), m.form)) for m in shown_in("notebook", self.ranks) if self.metrics
        ]
        sentence = self.verdict.get("sentence")
        return [*rows, ("verdict", str(sentence))] if sentence else rows

    def __repr__(self) -> str:
        rows = self.rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self.rows())
        return f"<table>{cells}</table>"
