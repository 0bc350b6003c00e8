"""PostgreSQL and TimescaleDB, by Arrow's own driver (ADBC), which hands out columns as they are; an extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from barwise.errors import ConfigError


class Postgres:
    """`address`: postgresql://host/database; who and with which password, libpq's variables say (PGUSER, PGPASSWORD,
    PGPASSFILE, PGSERVICE)."""

    def __init__(self, address: str, where: str) -> None:
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError:
            raise ConfigError(f"{where}: needs ADBC's driver; pip install 'barwise[adbc]'") from None
        self.connection = dbapi.connect(address, autocommit=True)
        with self.connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")

    def table(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, list(parameters) or None)
            reader = cursor.fetch_record_batch()
            batches = [_narrow(pa.Table.from_batches([batch])) for batch in reader]
        return pa.concat_tables(batches or [_narrow(pa.Table.from_batches([], reader.schema))])

    def close(self) -> None:
        self.connection.close()


def _narrow(table: pa.Table) -> pa.Table:
    """Text as codes, a tenth of the memory for symbols; what Arrow has no type for (numeric) as its text."""
    for i, field in enumerate(table.schema):
        column = table.column(i)
        if isinstance(field.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], field.type.storage_type)
        if pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.dictionary_encode()
        table = table.set_column(i, field.name, column)
    return table
