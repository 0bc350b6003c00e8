"""Small bar files to break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

HEADER = "Date,Open,High,Low,Close,Volume"
DAYS = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
ROWS = [f"{day},10,12,9,11,{100 + i}" for i, day in enumerate(DAYS)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a CSV of six good bars of MY, less what `replace` ({row from 1: line}) puts in its place."""

    def write(replace: dict[int, str] | None = None, header: str = HEADER, name: str = "MY.csv") -> str:
        rows = [(replace or {}).get(i + 1, row) for i, row in enumerate(ROWS)]
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return str(path)

    return write


@pytest.fixture
def frame() -> pd.DataFrame:
    """Six good bars with this package's own column names."""
    prices = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0}
    return pd.DataFrame({"time": pd.to_datetime(DAYS), **prices, "volume": [100.0 + i for i in range(6)]})
