"""Bars from a database by SQL: DuckDB over files or its own, SQLite, PostgreSQL and TimescaleDB."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from barwise.console.secrets import holds_secret, masked
from barwise.data.assemble import Asked, completed, market
from barwise.data.bars import Market
from barwise.data.databases.base import Database, identifier, literal, told, within
from barwise.data.frame import read
from barwise.data.notes import Notes
from barwise.data.readers import table
from barwise.data.selection import bounds
from barwise.errors import DataError, require

SQLITE = b"SQLite format 3\0"
SCHEMES = ("postgresql", "postgres")
FROM_ENVIRONMENT = "env:"


def load(
    sql: str | None = None,
    database: str | None = None,
    parameters: Sequence[Any] | None = None,
    name: str = "bars",
    columns: Mapping[str, str | None] | None = None,
    adjusted: bool = False,
    timezone: str | None = None,
    periods_per_year: float | None = None,
    on_bad: str = "error",
    on_jump: str = "warn",
    symbols: str | Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    universe: str | None = None,
    context: str | None = None,
    groups: str | Sequence[str] | None = None,
    as_of: str | Sequence[str] | None = None,
    actions: str | None = None,
    contracts: str | None = None,
) -> Market:
    """The bars that one SELECT gives, or that a table of that name holds.

    `database`: null for SQL over Parquet, CSV and JSON files by DuckDB; a file of DuckDB or SQLite; an address
    postgresql://host/database; or env:NAME, the environment variable that holds it. A password stands in the
    environment alone (PGPASSWORD, PGPASSFILE, or the variable of env:NAME), so that no run keeps it.
    `parameters` are bound to $1, $2 and so on. `symbols`, `start` and `end` are asked of the database too, which reads
    no more than it must. Connections can only read. `name` is the symbol where no column names it; everything else is
    as for `barwise.data.files.load`.
    ConfigError for a setting, DataError for what the database says or holds.
    """
    require(
        isinstance(sql, str) and bool(sql.strip()),
        f"data.sql={'null' if sql is None else sql}: must be one SELECT, or the name of a table; "
        "data.sql=\"select * from 'bars/*.parquet'\"",
    )
    require(
        isinstance(name, str) and bool(name.strip()), f"data.name={name}: must be the name of a symbol; data.name=ABC"
    )
    require(
        parameters is None or isinstance(parameters, list | tuple),
        f"data.parameters={parameters}: must be a list, bound to $1, $2 and so on; data.parameters=[AAPL]",
    )
    asked = Asked(
        columns, adjusted, timezone, periods_per_year=periods_per_year, on_bad=on_bad, on_jump=on_jump,
        symbols=symbols, start=start, end=end, universe=universe, context=context, groups=groups, as_of=as_of,
        actions=actions, contracts=contracts,
    )  # fmt: skip
    where = "data.sql" if database is None else f"data.database={masked(str(database))}"
    with told(where):
        connection = connect(database, where)
        try:
            found = _in_order(_rows(connection, _select(str(sql)), list(parameters or ()), asked, where), asked, where)
        finally:
            connection.close()
    facts = {"sql": sql, "database": None if database is None else masked(str(database)), "rows": found.num_rows}
    return completed(market("query", where, read(found, where, name, asked), asked, facts), asked)


def paths(sql: str | None = None, database: str | None = None, *_: object, **__: object) -> list[Path] | None:
    """The files that `load` would read, where they are known: SQLite's; a view of DuckDB may read others."""
    path = Path(str(database)).expanduser()
    if database is None or not path.is_file() or _head(path) != SQLITE:
        return None
    return [one for one in (path, path.with_name(f"{path.name}-wal")) if one.is_file()]


def connect(database: str | None, where: str) -> Database:
    """An open connection that can only read. ConfigError for what names no database."""
    from barwise.data.databases.duck import Duck

    if database is None:
        return Duck(None, where)
    address = str(database)
    if address.startswith(FROM_ENVIRONMENT):
        variable = address.removeprefix(FROM_ENVIRONMENT)
        require(bool(os.environ.get(variable)), f"{where}: the environment has no {variable}; export {variable}=…")
        address = os.environ[variable]
    elif masked(address) != address:
        raise holds_secret("data.database", address)
    if re.match(r"[A-Za-z][\w+.-]*://", address):
        scheme = address.partition("://")[0].lower()
        require(
            scheme in SCHEMES, f"{where}: {scheme}:// is not spoken; postgresql:// is, and files of DuckDB and SQLite"
        )
        from barwise.data.databases.postgres import Postgres

        return Postgres(address, where)
    path = Path(address).expanduser()
    if not path.is_file():
        raise DataError(f"{where}: is not there; paths count from the folder you run in ({Path.cwd().name}/)")
    head = _head(path)
    if head == SQLITE:
        from barwise.data.databases.lite import Lite

        return Lite(path)
    require(head[8:12] == b"DUCK", f"{where}: is no database of DuckDB or SQLite; data=files reads files of bars")
    return Duck(path, where)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _select(sql: str) -> str:
    """A table's name as the SELECT of all its rows; a SELECT without the mark at its end."""
    text = sql.strip().rstrip(";").strip()
    named = re.fullmatch(r'(\w+|"[^"]+")(\.(\w+|"[^"]+"))*', text)
    return f"SELECT * FROM {text}" if named else text


def _rows(connection: Database, sql: str, parameters: list[Any], asked: Asked, where: str) -> pa.Table:
    """The rows of the symbols and the stretch asked for."""
    if asked.symbols is None and asked.start is None and asked.end is None:
        return connection.table(sql, parameters)
    head = connection.table(f"SELECT * FROM (\n{sql}\n) AS bars LIMIT {table.SAMPLED}", parameters)
    raw = table.typed(head, asked.columns or {}, where, Notes())
    conditions = []
    if raw.roles.symbol is not None and asked.symbols is not None and _is_text(raw.columns[raw.roles.symbol].type):
        names = [asked.symbols] if isinstance(asked.symbols, str | int | float) else list(asked.symbols)
        listed = ", ".join(literal(str(one)) for one in names)
        conditions.append(f"{identifier(raw.roles.symbol)} IN ({listed})")
    if len(raw.roles.time) == 1 and (asked.start is not None or asked.end is not None):
        column = raw.roles.time[0]
        cells = raw.columns[column]
        conditions.append(
            within(column, cells.type, cells.to_pylist(), *bounds(asked.start, asked.end, asked.timezone))
        )
    kept = " AND ".join(one for one in conditions if one)
    if not kept:
        return connection.table(sql, parameters)
    found = connection.table(f"SELECT * FROM (\n{sql}\n) AS bars WHERE {kept}", parameters)
    if not found.num_rows:
        known = ""
        if raw.roles.symbol is not None:
            some = connection.table(
                f"SELECT DISTINCT {identifier(raw.roles.symbol)} FROM (\n{sql}\n) AS bars LIMIT 12", parameters
            )
            known = f"; its first symbols are {', '.join(map(str, some.column(0).to_pylist()))}"
        raise DataError(f"{where}: gives no row where {kept[:200]}{known}")
    return found


def _in_order(found: pa.Table, asked: Asked, where: str) -> pa.Table:
    """The rows by symbol and time: those of a database have no order of their own, so that none is out of place."""
    import pyarrow.compute as pc

    head = table.typed(found.slice(0, table.SAMPLED), asked.columns or {}, where, Notes()) if found.num_rows else None
    if head is None or len(head.roles.time) != 1 or head.header.wide is not None:
        return found
    time = found.column(head.roles.time[0])
    if _is_text(time.type) and not all(re.match(r"\d{4}-\d\d-\d\d", str(x)) for x in time[:40].to_pylist()):
        return found  # text of another kind is not in the order of its letters
    keys = {"time": pc.cast(time, pa.string()) if _is_text(time.type) else time}
    if head.roles.symbol is not None:
        symbol = found.column(head.roles.symbol)
        coded = symbol if pa.types.is_dictionary(symbol.type) else symbol.dictionary_encode()
        keys = {"symbol": coded.unify_dictionaries().combine_chunks().indices, **keys}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return found.take(order)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
