"""DuckDB: SQL over Parquet, CSV and JSON files, or over a database file of its own; an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from barwise.errors import ConfigError, require

# Nothing is fetched and nothing is loaded while a query runs.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class Duck:
    """`path`: a database file, opened read-only; None: in memory, over the files that the SQL names."""

    def __init__(self, path: Path | None, where: str) -> None:
        try:
            import duckdb
        except ImportError:
            raise ConfigError(f"{where}: needs the duckdb package; pip install 'barwise[duckdb]'") from None
        self.statements = duckdb.extract_statements
        self.select = duckdb.StatementType.SELECT
        self.connection = duckdb.connect(":memory:" if path is None else str(path), path is not None, _SETTINGS)

    def table(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        found = self.statements(sql)
        one = len(found) == 1 and found[0].type == self.select
        require(one, "data.sql: must be one SELECT: bars are read, nothing is changed")
        table: pa.Table = self.connection.sql(sql, params=list(parameters) or None).to_arrow_table()
        return table

    def close(self) -> None:
        self.connection.close()
