"""Reaches past the door of the log, to the rows where they lie: in the database, or in the files of the days."""

from __future__ import annotations

from sqlalchemy import delete, select

from webapp.log.dayfiles import files_of
from webapp.log.dayschema import BODIES, KINDS, ROWS


def ask(engine, statement, kind=ROWS):
    """The rows that every place gives, oldest first."""
    files = files_of(engine)
    if files is None:
        with engine.connect() as connection:
            return list(connection.execute(statement).mappings())
    rows = []
    for day in reversed(files.days(kind)):
        with files.reading(day, kind) as file:
            rows += file.execute(statement).mappings()
    return rows


def rows_of(engine, table):
    """Every row of a table, wherever it lies."""
    if files_of(engine) is not None:
        for kind in KINDS:
            if table in kind.tables:
                return ask(engine, select(table), kind)
    with engine.connect() as connection:
        return list(connection.execute(select(table)).mappings())


def change(engine, statement, kind=ROWS):
    """Change rows in every place, behind the back of whoever counts them."""
    files = files_of(engine)
    if files is None:
        with engine.begin() as connection:
            connection.execute(statement)
        return
    for day in files.days(kind):
        with files.locked([day]), files.writing(day, kind) as file:
            file.execute(statement)


def change_bodies(engine, statement):
    change(engine, statement, BODIES)


def empty(engine, *tables):
    """Take everything away."""
    files = files_of(engine)
    names = {table.name for kind in KINDS for table in kind.tables} if files else set()
    with engine.begin() as connection:
        for table in tables:
            if table.name not in names:
                connection.execute(delete(table))
    for kind in KINDS if files else ():
        for day in files.days(kind):
            with files.locked([day]):
                files.drop(day, kind)
