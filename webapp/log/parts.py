"""Takes days away as a whole, where each is a part of its own: PostgreSQL. Waits for nobody longer than moments."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from webapp.log.days import AHEAD, PARTED, ensure, part_name
from webapp.log.tables import log_days

_WAIT = "SET lock_timeout = '2s'"
_PARTS = (
    "SELECT part.relname, link.inhdetachpending, substring(pg_get_expr(part.relpartbound, part.oid)"
    " FROM 'TO \\(''?([0-9]+)')::bigint FROM pg_inherits AS link JOIN pg_class AS part ON part.oid = link.inhrelid"
    " WHERE link.inhparent = %s::regclass"
)
_log = logging.getLogger(__name__)


def drop_days(engine: Engine, before: int) -> int:
    """Drop the parts that end before this id; returns how many went. What is in use stays for the next time.

    A part is detached first, without a lock that anybody would wait for, so no transaction may be open here.
    """
    dropped = 0
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(_WAIT)
        try:
            for table in PARTED:
                for name, pending, end in connection.exec_driver_sql(_PARTS, (table,)).all():
                    if end is not None and end <= before:
                        _drop(connection, table, f"log_days.{name}", pending=pending)
                        dropped += 1
        except DBAPIError as error:
            _log.warning("An old day of the log could not be dropped yet: %s", type(error.orig).__name__)
        finally:
            connection.exec_driver_sql("RESET lock_timeout")
    return dropped


def _drop(connection: Connection, table: str, part: str, *, pending: bool) -> None:
    how = "FINALIZE" if pending else "CONCURRENTLY"
    connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {part} {how}")
    connection.exec_driver_sql(f"DROP TABLE {part}")


def empty_bodies(engine: Engine, day: int) -> bool:
    """Take away the bodies of a day, whose attempts stay; False when somebody is using them."""
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            name = part_name("call_bodies", day)
            if connection.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is None:
                return False
            connection.exec_driver_sql(f"TRUNCATE {name}")
            values = {"bodies": 0, "body_bytes": 0}
            connection.execute(log_days.update().where(log_days.c.day == day).values(values))
            return True
    except DBAPIError as error:
        _log.warning("The bodies of a day could not be taken away yet: %s", type(error.orig).__name__)
        return False


def make_ahead(engine: Engine, today: int) -> None:
    """Make the parts of today and of the next days before somebody needs them."""
    with engine.begin() as connection:
        ensure(connection, range(today, today + AHEAD + 1))
