"""A result into its run directory: metrics, predictions, ledger, curves."""

from __future__ import annotations

import numpy as np

from barwise.experiment.checkpoint import Curves
from barwise.experiment.contributions import largest
from barwise.experiment.importance import collect
from barwise.experiment.results import Result, contribution
from barwise.runs.csv_files import write_csv
from barwise.runs.directory import RunDirectory, write_json, write_parquet


def record(out: RunDirectory, result: Result, curves: Curves) -> None:
    """Write what the run found, each file whole or not at all."""
    ledger = result.ledger
    weight = {} if result.weight is None else {"weight": result.weight}
    write_parquet(out.path / "predictions.parquet", {**result.table.columns(), **weight})
    _record_positions(out, result)
    names = ("time", "gross", "cost", "net", "excess", "turnover", "equity")
    columns = {name: getattr(ledger, name) for name in names}
    if ledger.cash_flow is not None:
        columns["funding"] = ledger.cash_flow
        out.update(funding=_paid_and_received(ledger.cash_flow))
    write_parquet(out.path / "ledger.parquet", {**columns, "market": result.market.net})
    collect(out.path / "model", out.path / "importance.parquet")
    why = largest(result, out.path / "model")
    if why is not None:
        write_parquet(out.path / "contributions.parquet", why)
    write_json(out.path / "curves.json", curves)
    out.update(reasons=result.reasons, contribution=contribution(ledger, result.table.symbols))
    write_json(out.path / "metrics.json", result.metrics)


def _paid_and_received(flow: np.ndarray) -> dict[str, float]:
    """Sums of what funding took and gave, as shares of the equity before; costs do not hold them."""
    return {"paid": float(-flow[flow < 0].sum()), "received": float(flow[flow > 0].sum())}


def _record_positions(out: RunDirectory, result: Result) -> None:
    """What was held, and each trade, where the ledger kept them."""
    if result.positions is None or result.trades is None:
        out.warn("positions.parquet and trades.parquet are not written: the ledger did not keep positions")
        return
    write_parquet(out.path / "positions.parquet", result.positions)
    write_parquet(out.path / "trades.parquet", result.trades)
    write_csv(out.path / "trades.csv", result.trades)
