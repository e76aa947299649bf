"""What speaks to one file of the log: made in no time, because all files share what is dear about an engine."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, QueuePool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from webapp.db import prepare_sqlite, register

_IDLE = 2  # connections to a file that wait for the next reader
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
_PRIMARY = 0xFF  # the part of an error's number that says of which kind it is


def is_broken(error: DBAPIError) -> bool:
    """Whether a file cannot be read, rather than that it was asked for something that is not in it."""
    return getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY in _BROKEN


def make_engine(path: Path, compiled: Any, *, writes: bool) -> Engine:
    """An engine that shares its dialect and its compiled statements with those of all other files."""
    address = f"{path.resolve().as_uri()}?mode={'rw' if writes else 'ro'}"
    set_up = _dialect().on_connect()

    def connect() -> Any:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        prepare_sqlite(connection)
        if set_up:
            set_up(connection)
        return connection

    left_open = "rollback" if writes else None  # readers have no transaction that could be left open
    pool = QueuePool(connect, pool_size=_IDLE, max_overflow=-1, dialect=_dialect(), reset_on_return=left_open)
    options = {"compiled_cache": compiled}
    return register(Engine(pool, _dialect(), make_url(f"sqlite:///{path}"), execution_options=options))


@cache
def _dialect() -> Dialect:
    engine = create_engine("sqlite://")
    engine.connect().close()
    engine.dispose()
    return engine.dialect
