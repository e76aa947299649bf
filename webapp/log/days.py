"""The days of the call log: what is known of each, and on PostgreSQL the parts of the tables, one for each day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from webapp.ids import TIME_SHIFT
from webapp.log.tables import log_days

MS_PER_DAY = 86_400_000
DAY = MS_PER_DAY << TIME_SHIFT  # ids of one day
END = 2**63 - 1
AHEAD = 3  # parts that are made before they are needed
PARTED = ("call_logs", "call_bodies", "call_words")
_EPOCH = date(1970, 1, 1).toordinal()
LAST_DATE = date.max.toordinal() - _EPOCH
_COVERED = (
    "SELECT to_regclass(%s) IS NOT NULL, (SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \\(''?([0-9]+)')"
    " FROM pg_class WHERE oid = to_regclass('log_days.call_words_before'))"
)
_LOCK = int.from_bytes(b"pblogday")
_ADD = {
    "sqlite": "INSERT INTO log_days (day, attempts, bodies, body_bytes, drift_ms) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (day) DO UPDATE SET"
    " attempts = attempts + excluded.attempts, bodies = bodies + excluded.bodies,"
    " body_bytes = body_bytes + excluded.body_bytes, drift_ms = max(drift_ms, excluded.drift_ms)",
    "postgresql": "INSERT INTO log_days AS known (day, attempts, bodies, body_bytes, drift_ms)"
    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (day) DO UPDATE SET"
    " attempts = known.attempts + excluded.attempts, bodies = known.bodies + excluded.bodies,"
    " body_bytes = known.body_bytes + excluded.body_bytes,"
    " drift_ms = greatest(known.drift_ms, excluded.drift_ms)",
}


Counts = tuple[int, int, int, int, int]  # the day, its attempts, bodies, their bytes, the drift


@dataclass(slots=True)
class _Sum:
    attempts: int = 0
    bodies: int = 0
    body_bytes: int = 0
    drift_ms: int = 0


def day_of(log_id: int) -> int:
    """The day of an id, counted from 1970."""
    return log_id // DAY


def day_at(moment: datetime) -> int:
    """The day of a moment."""
    return int(moment.timestamp() * 1000) // MS_PER_DAY


def date_of(day: int) -> date:
    """The date of a day."""
    return date.fromordinal(_EPOCH + day)


def day_at_date(at: date) -> int:
    """The day of a date."""
    return at.toordinal() - _EPOCH


def before_today(seconds: float) -> int:
    """The smallest id after the day of a moment."""
    return (int(seconds * 1000) // MS_PER_DAY + 1) * DAY


def note(connection: Connection, attempts: Iterable[tuple[int, datetime]], bodies: Mapping[int, int]) -> None:
    """Count new attempts with their times, and the sizes of new bodies, in the same transaction."""
    add(connection, counted(attempts, bodies))


def counted(attempts: Iterable[tuple[int, datetime]], bodies: Mapping[int, int]) -> list[Counts]:
    """What new attempts with their times, and the sizes of new bodies, add to their days."""
    sums: dict[int, _Sum] = {}
    for log_id, at in attempts:
        one = sums.setdefault(day_of(log_id), _Sum())
        one.attempts += 1
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        one.drift_ms = max(one.drift_ms, abs((log_id >> TIME_SHIFT) - int(aware.timestamp() * 1000)))
    for log_id, size in bodies.items():
        one = sums.setdefault(day_of(log_id), _Sum())
        one.bodies += 1
        one.body_bytes += size
    return [
        (day, one.attempts, one.bodies, one.body_bytes, one.drift_ms) for day, one in sorted(sums.items())
    ]


def add(connection: Connection, counts: list[Counts]) -> None:
    """Add to what is known of the days."""
    if counts:
        connection.exec_driver_sql(_ADD[connection.dialect.name], counts)


def known(connection: Connection) -> Sequence[Row[Any]]:
    """The days there are attempts of, newest first."""
    return connection.execute(select(log_days).order_by(log_days.c.day.desc())).all()


def id_range(
    days: Iterable[Row[Any]], since: datetime | None, until: datetime | None, before: int | None = None
) -> tuple[int, int]:
    """The ids among which all attempts from `since` to before `until` are, and those before another one.

    The second id is not among them. Days whose clock was wrong are looked at as far as it was; `days` are all known ones.
    """
    low, high = 0, END
    if since or until:
        since_ms = int(since.timestamp() * 1000) if since else 0
        until_ms = int(until.timestamp() * 1000) + 1 if until else END >> TIME_SHIFT
        spans = [
            (
                max(row.day * MS_PER_DAY, since_ms - row.drift_ms),
                min((row.day + 1) * MS_PER_DAY, until_ms + row.drift_ms),
            )
            for row in days
        ]
        spans = [span for span in spans if span[0] < span[1]]
        low = max(0, min((first for first, _ in spans), default=0)) << TIME_SHIFT
        high = min(max((last for _, last in spans), default=0) << TIME_SHIFT, END)
    return low, min(high, before) if before is not None else high


def ensure(connection: Connection, days: Iterable[int]) -> None:
    """Make the parts of these days that are not there yet, without holding up whoever reads or writes."""
    if connection.dialect.name != "postgresql":
        return
    for day in sorted(set(days)):
        if not _made(connection, day):
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if not _made(connection, day):
                _make(connection, day)


def part_name(table: str, day: int) -> str:
    """The part of a table for a day, as PostgreSQL knows it."""
    return f"log_days.{table}_{date_of(day):%Y%m%d}" if day < LAST_DATE else f"log_days.{table}_{day}"


def _made(connection: Connection, day: int) -> bool:
    name = part_name(PARTED[-1], day)
    covered = connection.exec_driver_sql(_COVERED, (name,)).one()
    return bool(covered[0] or (covered[1] and (day + 1) * DAY <= int(covered[1])))


def _make(connection: Connection, day: int) -> None:
    """A table that is attached locks out nobody; one made as a part would wait for all readers, and all for it."""
    low, high = day * DAY, min((day + 1) * DAY, 2**63 - 1)
    for table in PARTED:
        name = part_name(table, day)
        connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
        )
