"""A small table of the user's own, such as a universe or a context: a CSV file read as words, or Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from barwise.errors import DataError, require


def read_table(path: str, where: str, columns: str) -> pd.DataFrame:
    """The table at `path`, its names stripped; `where` names the setting, and `columns` what it has, in one line each
    of DataError and ConfigError."""
    file = Path(path).expanduser()
    require(file.suffix.lower() in (".csv", ".parquet"), f"{where}: must be a file ending in .csv or .parquet")
    if not file.is_file():
        raise DataError(f"{where}: is not there; it has {columns}")
    try:
        if file.suffix.lower() == ".csv":
            table = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig")
        else:
            table = pd.read_parquet(file)
    except Exception as error:  # whatever the readers say of a file that is neither
        raise DataError(f"{where}: cannot be read: {' '.join(str(error).split())[:120]}") from None
    table.columns = [str(c).strip() for c in table.columns]
    return table
