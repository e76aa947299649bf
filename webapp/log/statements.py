"""The statements that write rows of the journal into tables, as fast as each database takes them.

Repeating them changes nothing: a row that is there stays, and what has its own end is not changed any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

from webapp.log.batch import PROCESS_DIED, Values
from webapp.models.base import UTCDateTime

Keys = tuple[str, ...]
# A later word changes only what nobody has ended yet, or what was given up for a dead process too early.
_OPEN = {
    "calls": "calls.finished_at IS NULL",
    "call_logs": f"(call_logs.response_timestamp IS NULL OR call_logs.error_message = '{PROCESS_DIED}')",
}
_ENDED_BY = {"calls": "finished_at", "call_logs": "response_timestamp"}


class SQLite:
    """Statements for SQLite; the values go past SQLAlchemy, as the file keeps them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, table: Table, rows: Iterable[Values]) -> None:
        """Add the rows that are not there yet."""
        for keys, group in _by_keys(rows):
            values = [tuple(row.values()) for row in group]
            self._connection.exec_driver_sql(_insert_sql(table, keys), values)

    def change(self, table: Table, key: str, changes: Mapping[int, Values]) -> None:
        """Complete rows that are there."""
        for keys, group in _by_keys({**values, key: at} for at, values in changes.items()):
            statement = _update_sql(table.name, keys, "?")
            self._connection.exec_driver_sql(statement, [tuple(row.values()) for row in group])


class PostgreSQL:
    """Statements for PostgreSQL: one for each group of rows, its values as one array for each column."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, table: Table, rows: Iterable[Values]) -> None:
        """Add the rows that are not there yet."""
        for keys, group in _by_keys(rows):
            columns = [[_for_postgresql(table, name, row[name]) for row in group] for name in keys]
            self._connection.exec_driver_sql(_unnest_sql(table, keys), tuple(columns))

    def change(self, table: Table, key: str, changes: Mapping[int, Values]) -> None:
        """Complete rows that are there."""
        for keys, group in _by_keys({**values, key: at} for at, values in changes.items()):
            statement = _update_sql(table.name, keys, "%s")
            values = [
                tuple(_for_postgresql(table, name, value) for name, value in row.items()) for row in group
            ]
            self._connection.exec_driver_sql(statement, values)


Door = SQLite | PostgreSQL


def door_to(connection: Connection) -> Door:
    """The way in for this connection."""
    return PostgreSQL(connection) if connection.dialect.name == "postgresql" else SQLite(connection)


def _by_keys(rows: Iterable[Values]) -> Iterator[tuple[Keys, list[Values]]]:
    """The rows in groups that have the same members in the same order."""
    groups: dict[Keys, list[Values]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    yield from groups.items()


@lru_cache(256)
def _insert_sql(table: Table, keys: Keys) -> str:
    holes = ", ".join("?" * len(keys))
    return f"INSERT INTO {table.name} ({', '.join(keys)}) VALUES ({holes}) {_unless_there(table, keys)}"  # noqa: S608


@lru_cache(256)
def _unnest_sql(table: Table, keys: Keys) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in keys)
    names = ", ".join(keys)
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {_unless_there(table, keys)}"  # noqa: S608


def _unless_there(table: Table, keys: Keys) -> str:
    """A row that is there stays, unless only its beginning is."""
    if _ENDED_BY.get(table.name) not in keys:
        return "ON CONFLICT DO NOTHING"
    (key,) = (column.name for column in table.primary_key)
    settings = ", ".join(f"{name} = excluded.{name}" for name in keys if name != key)
    return f"ON CONFLICT ({key}) DO UPDATE SET {settings} WHERE {_OPEN[table.name]}"


@lru_cache(256)
def _update_sql(table: str, keys: Keys, hole: str) -> str:
    """The last of the keys is that of the row."""
    *changed, key = keys
    settings = ", ".join(f"{name} = {hole}" for name in changed)
    return f"UPDATE {table} SET {settings} WHERE {key} = {hole} AND {_OPEN[table]}"  # noqa: S608 - as above


def _for_postgresql(table: Table, name: str, value: Any) -> Any:
    if isinstance(value, str):
        if isinstance(table.c[name].type, UTCDateTime):
            return f"{value}+00"
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return value
