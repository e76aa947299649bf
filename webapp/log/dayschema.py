"""What lies in the files of a day on SQLite, and how the files of an earlier release become like new ones.

A file says of which version it is (`PRAGMA user_version`). A release that changes one of these tables adds to `steps`
the statements that take a file from the version before to the next: they run once, when the file is opened for the first
time, in one transaction. New files are made from the declarations as they are.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from webapp.log.tables import call_bodies, call_logs
from webapp.log.wordindex import SQLITE_DDL

# What the database has not been told yet: see webapp.log.outbox.
OUTBOX_DDL = "CREATE TABLE outbox (number INTEGER PRIMARY KEY, told TEXT NOT NULL)"


@dataclass(frozen=True)
class Kind:
    """One kind of file: how its name ends and what is in it."""

    ending: str
    tables: tuple[Table, ...]
    more: tuple[str, ...] = ()
    steps: tuple[tuple[str, ...], ...] = ()

    @property
    def version(self) -> int:
        """The version of new files."""
        return len(self.steps) + 1


ROWS = Kind(".sqlite3", (call_logs,), (SQLITE_DDL, OUTBOX_DDL))
BODIES = Kind(".bodies.sqlite3", (call_bodies,))
KINDS = (ROWS, BODIES)


def make(connection: sqlite3.Connection, kind: Kind) -> None:
    """Make the tables in an empty file."""
    connection.execute("PRAGMA journal_mode = WAL")
    _run(connection, (*_declared(kind), f"PRAGMA user_version = {kind.version}"))


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file; 0 when nothing was made in it."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def bring_up(connection: sqlite3.Connection, kind: Kind) -> None:
    """Take the steps that a file has not taken; any number of processes may try at once."""
    connection.execute("BEGIN IMMEDIATE")
    taken = version_of(connection) - 1
    statements = [statement for step in kind.steps[taken:] for statement in step]
    for statement in (*statements, f"PRAGMA user_version = {kind.version}", "COMMIT"):
        connection.execute(statement)


def _run(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
        connection.execute(statement)


@cache
def _declared(kind: Kind) -> tuple[str, ...]:
    dialect = sqlite.dialect()
    indexes = (
        index for table in kind.tables for index in sorted(table.indexes, key=lambda one: str(one.name))
    )
    made: tuple[DDLElement, ...] = (*map(CreateTable, kind.tables), *map(CreateIndex, indexes))
    return (*(str(one.compile(dialect=dialect)) for one in made), *kind.more)
