"""The returns that a finished run has filed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from barwise.console.printing import printable
from barwise.errors import DataError
from barwise.safety.tables import checked


def excess_returns(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times and net returns above cash of `folder`/ledger.parquet; DataError where it has none.

    Whatever judges a Sharpe ratio reads these: what idle cash earned is nobody's skill.
    """
    return _column(folder, "excess")


def market_returns(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of buy-and-hold; None where an older version kept none."""
    try:
        time, market = _column(folder, "market")
    except DataError:
        return None
    return (time, market) if len(market) and np.isfinite(market).all() else None


def _column(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and one column of `folder`/ledger.parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not (folder / "ledger.parquet").is_file():
        raise DataError(f"{folder}: has no ledger.parquet; name finished runs")
    path = checked(folder / "ledger.parquet")
    try:
        if name not in pq.read_schema(path).names:
            raise DataError(f"{folder}: ledger.parquet has no column {name}; run it again with this version of barwise")
        ledger = pq.read_table(path, columns=["time", name])
        time, values = ledger["time"].to_numpy(), ledger[name].to_numpy()
        return time.astype("datetime64[ns]"), values.astype(np.float64)
    except (OSError, ValueError, TypeError, LookupError, pa.ArrowException) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read as Parquet ({printable(str(error), 160)})") from None
