"""python -m barwise factor features=…: what each feature knows by itself, without a model, and the odds of luck."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.arguments import Arguments, compose
from barwise.errors import ConfigError

if TYPE_CHECKING:
    from barwise.factor.scores import Frame

_LISTED = 40  # features that the terminal shows
_LONGEST = 250  # bars


def main(words: list[str]) -> None:
    """Print all features by |ICIR| with the false discovery rate, file factors.csv, and pages of those asked for."""
    parser = Arguments("factor", "What each feature of train.py's features knows by itself: a table by ICIR.")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for train.py: features=alpha158, data=…")
    parser.add_argument("--horizon", type=int, default=1, metavar="BARS", help="that a position is held; 1 by default")
    parser.add_argument("--page", action="append", default=[], metavar="FEATURE", help="also its page; may come again")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder of your own groups, as for train.py")
    given = parser.parse_args(words)
    if not 1 <= given.horizon <= _LONGEST:
        raise ConfigError(f"--horizon {given.horizon}: must be from 1 to {_LONGEST} bars")
    where = [f"hydra.searchpath=[file://{given.config_dir.resolve()}]"] if given.config_dir else []
    cfg = compose([*where, *given.overrides])
    folder = Path(str(cfg.output_dir)) / "factors" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    table, pages, note = _examined(cfg, given.horizon, given.page)

    from barwise.report.factor_page import document, frames
    from barwise.runs.csv_files import write_csv
    from barwise.runs.directory import write_text

    write_csv(folder / "factors.csv", table)
    _show(table, note)
    print(f"table: {folder}/factors.csv")
    for name, tables in pages.items():
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.html"
        write_text(path, document(name, note, frames(tables)))
        print(f"page:  {path}")


def _examined(cfg: Any, horizon: int, pages: list[str]) -> tuple[Frame, dict[str, Any], str]:
    """(the table of all features, the tables of those that pages are asked of, what the bars are); LeakError where the
    audit of features finds the future in one."""
    from dataclasses import replace

    import numpy as np

    from barwise.audit.audit import hear_features
    from barwise.audit.findings import Audit
    from barwise.audit.process import CleanProcess
    from barwise.audit.recompute import work_on
    from barwise.audit.rows import RowProof
    from barwise.backtest.grid import Grid
    from barwise.data.calendar import periods_per_year
    from barwise.data.checks import check_market
    from barwise.data.hash import data_hash
    from barwise.evidence.looks import UNRECORDED, SealWatch
    from barwise.experiment.compute import threads_of
    from barwise.experiment.factor import about
    from barwise.experiment.recipe import parts_of
    from barwise.factor.exposure import exposures
    from barwise.factor.features import dense_of, feature_table
    from barwise.factor.scores import Scores
    from barwise.factor.study import study
    from barwise.features.prepare import prepared
    from barwise.panel import build_panel

    parts = parts_of(cfg)
    market = check_market(parts.data())
    clean = CleanProcess(work_on(market.bars, parts.features, market.universe)) if parts.audit != "none" else None
    try:
        matrix, _ = prepared(market, data_hash(market), parts.features, threads_of(parts), parts.cache)
        panel = build_panel(matrix, parts.labels, market.universe)
        unknown = [name for name in pages if name not in panel.features]
        if unknown:
            raise ConfigError(f"--page {unknown[0]}: is no feature; there are {', '.join(panel.features)}")
        if clean is not None:
            audit = Audit(parts.audit, parts.seed)
            hear_features(audit, parts, matrix, panel, RowProof(matrix, parts.features, clean, market.bars))
            audit.refuse()
    finally:
        if clean is not None:
            clean.close()
    watch = SealWatch(Path(str(cfg.output_dir)), "factor")
    if not watch.look([b.symbol for b in matrix.bars], panel.time.min(), panel.time.max()):
        print(f"barwise: {UNRECORDED}", file=sys.stderr)
    grid = Grid.build(matrix.bars, market.universe)
    per_year = market.periods_per_year or periods_per_year(market.times())
    warm = Scores.of(grid, panel.symbol, panel.time, np.where(panel.warm, 0.0, np.nan), horizon=horizon,
                     execution=getattr(parts.backtest, "execution", "next_open"), per_year=per_year)  # fmt: skip
    table = feature_table(dense_of(panel, grid), warm, horizon)
    found = {}
    for name, dense in dense_of(panel, grid) if pages else ():
        if name in pages:
            scores = replace(warm, score=np.where(np.isfinite(warm.score), dense, np.nan), memory={})
            found[name] = {**study(scores), "exposures": exposures(scores), "about": about(scores)}
    how = "within bars" if warm.across else f"pooled in stretches of {warm.pool} bars"
    symbols = len(matrix.bars)
    note = (
        f"{symbols} symbol{'s' if symbols > 1 else ''}, {str(panel.time.min())[:10]} to {str(panel.time.max())[:10]},"
        f" {how}, held for {horizon}" + ("; not audited (audit=none)" if clean is None else "")
    )
    return table, found, note


def _show(table: Frame, note: str) -> None:
    """The table on the terminal, the strongest first."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]features by |ICIR|[/]: {escape(note)}", soft_wrap=True)
    shown = Table(box=None)
    for name in ("feature", "rank corr.", "ICIR", "t", "p", "FDR", "stays", "defined"):
        shown.add_column(name, justify="left" if name == "feature" else "right", no_wrap=name != "feature")
    columns = ("rank_ic", "icir", "t", "p", "fdr", "autocorrelation", "defined")
    forms = ("{:.4f}", "{:.3f}", "{:.1f}", "{:.3f}", "{:.3f}", "{:.2f}", "{:.0%}")
    for k, name in enumerate(table["feature"][:_LISTED]):
        values = [form.format(table[c][k]).replace("nan", "–") for c, form in zip(columns, forms, strict=True)]
        shown.add_row(escape(str(name)), *values)
    console.print(shown)
    total, found = len(table["feature"]), int((table["fdr"] <= 0.05).sum())
    rest = f"; the table holds all {total}" if total > _LISTED else ""
    console.print(f"{found} of {total} at a false discovery rate of 5 %{rest}", soft_wrap=True)
    console.print(
        "[dim]whatever is chosen by this table has seen these bars: later results on them are no longer out of sample;"
        " sealed.fraction=0.2 keeps some from it[/dim]",
        soft_wrap=True,
    )
