"""Counts the days of the log anew from their files: they differ when one of files and database came from a backup."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DBAPIError

from webapp.db import lock_for_writing
from webapp.ids import TIME_SHIFT
from webapp.log.dayfiles import Absent, DayFiles, DayUnreadable, files_of
from webapp.log.dayschema import BODIES, Kind
from webapp.log.oneatatime import one_writer
from webapp.log.outbox import catch_up_within
from webapp.log.tables import log_days

_S = 1_000  # the drift is told to the second, and one more
_COUNT = "SELECT count(*) FROM call_logs"
_DRIFT = (
    f"SELECT max(abs((log_id >> {TIME_SHIFT}) - 1000 * strftime('%s', request_timestamp))) FROM call_logs"  # noqa: S608
)
_BODIES = "SELECT count(*), coalesce(sum(length(packed)), 0) FROM call_bodies"


def recount(engine: Engine) -> None:
    """Let what is known of each day be what its files have; a day that cannot be read stays as it is known."""
    files = files_of(engine)
    for day in files.days() if files is not None else ():
        assert files is not None
        with files.locked([day]), one_writer(engine), engine.begin() as connection:
            lock_for_writing(connection)
            catch_up_within(connection, files, [day])
            _recount(connection, files, day)


def _recount(connection: Connection, files: DayFiles, day: int) -> None:
    known = connection.execute(select(log_days).where(log_days.c.day == day)).first()
    rows, bodies = _ask(files, day, _COUNT), _ask(files, day, _BODIES, BODIES)
    if rows is None:
        return
    counts = {"attempts": rows[0]}
    if bodies is not None or not files.exists(day, BODIES):
        counts |= dict(zip(("bodies", "body_bytes"), bodies or (0, 0), strict=True))
    if known is not None and all(getattr(known, name) == count for name, count in counts.items()):
        return
    (drift,) = _ask(files, day, _DRIFT) or (None,)
    counts["drift_ms"] = max((drift or 0) + _S, known.drift_ms if known else 0)
    if known is not None:
        connection.execute(update(log_days).where(log_days.c.day == day).values(**counts))
    elif rows[0]:
        connection.execute(insert(log_days).values({"day": day, "bodies": 0, "body_bytes": 0, **counts}))


def _ask(files: DayFiles, day: int, query: str, *kind: Kind) -> tuple[Any, ...] | None:
    try:
        with files.reading(day, *kind) as file:
            return tuple(file.exec_driver_sql(query).one())
    except (Absent, DayUnreadable, DBAPIError):
        return None
