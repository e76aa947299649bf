"""Databases: engines for SQLite and PostgreSQL, write transactions and migrations."""

from __future__ import annotations

import fcntl
import hashlib
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_MS = 10_000
# A request of each of the threads may hold a session of its own beside that of its page.
POOL: dict[str, Any] = {"pool_size": 20, "max_overflow": 20}
MIGRATIONS = Path(__file__).parent / "migrations"
# Statements that leave a SQLite file as it is, or that cannot run inside a transaction.
_READS = ("SELECT", "PRAGMA", "EXPLAIN", "VALUES", "VACUUM", "ATTACH", "DETACH")
_UNDEFINED = {"42P01", "42703"}  # table, column

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_retiring: weakref.WeakKeyDictionary[Engine, list[Callable[[], None]]] = weakref.WeakKeyDictionary()


def make_engine(url: str) -> Engine:
    """Make an engine for a SQLite file or a PostgreSQL database, safe to use after a fork."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, **POOL)
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "before_cursor_execute", _begin_before_write)
    else:
        engine = create_engine(url, pool_pre_ping=True, **POOL)
        event.listen(engine, "handle_error", _not_there_yet)
    return register(engine)


def register(engine: Engine) -> Engine:
    """Let an engine be found among all others, and let a forked child begin without its connections."""
    _engines.add(engine)
    return engine


def retire(engine: Engine) -> None:
    """Give all connections back for good: one that a thread still holds is closed when it comes back."""
    event.listen(engine, "checkin", _close)
    engine.dispose()
    for work in _retiring.pop(engine, []):
        work()


def when_retired(engine: Engine, work: Callable[[], None]) -> None:
    """Do this as well when the engine is retired; `work` must not hold the engine."""
    _retiring.setdefault(engine, []).append(work)


def _close(connection: Any, record: Any) -> None:
    if connection is not None:
        record.invalidate()


def engines() -> list[Engine]:
    """Every engine of this process that still exists."""
    return list(_engines)


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Make the factory of short sessions; what they loaded stays readable after their commit."""
    return sessionmaker(engine, expire_on_commit=False)


def prepare_sqlite(connection: Any, _record: object = None) -> None:
    """Leave transactions to us, and make SQLite keep the promises its schema makes."""
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _not_there_yet(context: ExceptionContext) -> None:
    """Tell of a missing table as SQLite does: the database cannot be used yet, as long as it is being migrated."""
    if getattr(context.original_exception, "sqlstate", None) in _UNDEFINED:
        raise OperationalError(context.statement, None, context.original_exception)


def _begin_before_write(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    """Take SQLite's write lock before the first write of a transaction, never by upgrading a read.

    Reads before it each see what is committed, as on PostgreSQL; a read that upgrades would fail at once
    whenever another process writes, however long the busy timeout.
    """
    if _writes(statement):
        _take_write_lock(connection)


def _writes(statement: str) -> bool:
    head = statement.lstrip().upper()
    if head.startswith("WITH"):
        return any(f" {word} " in head for word in ("INSERT", "UPDATE", "DELETE"))
    return not head.startswith(_READS)


def _take_write_lock(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    if not raw.in_transaction:
        raw.execute("BEGIN IMMEDIATE")


def lock_for_writing(connection: Connection) -> None:
    """Let a transaction that reads before it writes be the only one that writes, where there is one lock for all."""
    if connection.dialect.name == "sqlite":
        _take_write_lock(connection)


def begin_write(session: Session, name: str) -> None:
    """Let no two transactions that name the same thing run at once, from here to the commit.

    For what reads before it writes: the next revision, the head of the audit chain, the active data key.
    SQLite has one write lock for everything; PostgreSQL gets an advisory lock of that name.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        _take_write_lock(connection)
    else:
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes of this machine; it ends with the process at the latest."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest migration; any number of processes may try at once."""
    from alembic import command  # noqa: PLC0415 - only starting and migrating need it
    from alembic.config import Config as AlembicConfig  # noqa: PLC0415

    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _one_at_a_time(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with locked_file(Path(f"{engine.url.database}.lock")):
            yield
        return
    number = int.from_bytes(b"pbmigr")
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            connection.commit()


def is_migrated(engine: Engine) -> bool:
    """Whether the schema is that of the newest migration."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return set(current) == set(ScriptDirectory(str(MIGRATIONS)).get_heads())


def _forget_connections() -> None:
    """A forked child must not speak over the sockets of its parent."""
    for engine in engines():
        engine.dispose(close=False)


def _close_files() -> None:
    """Give back connections to files before a fork: the child's SQLite would take their locks for its own.

    Without locks of its own, what it writes would be lost when the parent lets go of the file.
    """
    for engine in engines():
        if engine.dialect.name == "sqlite":
            engine.dispose()


os.register_at_fork(before=_close_files, after_in_child=_forget_connections)
