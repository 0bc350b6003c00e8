"""A result into its run directory: metrics, predictions, ledger, curves."""

from __future__ import annotations

from barwise.experiment.importance import collect
from barwise.experiment.results import Result, contribution
from barwise.runs.directory import RunDirectory, write_json, write_parquet
from barwise.runs.tensorboard import Board


def record(out: RunDirectory, result: Result, board: Board) -> None:
    """Write what the run found, each file whole or not at all."""
    ledger = result.ledger
    write_parquet(out.path / "predictions.parquet", result.table.columns())
    names = ("time", "gross", "cost", "net", "excess", "turnover", "equity")
    columns = {name: getattr(ledger, name) for name in names}
    write_parquet(out.path / "ledger.parquet", {**columns, "market": result.market.net})
    collect(out.path / "model", out.path / "importance.parquet")
    write_json(out.path / "curves.json", board.curves)
    out.update(reasons=result.reasons, contribution=contribution(ledger, result.table.symbols))
    board.metrics(result.metrics)
    board.equity(ledger.equity)
    board.flush()
    write_json(out.path / "metrics.json", result.metrics)
