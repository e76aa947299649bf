"""How large the log is: of each day how many attempts and bodies there are, and what they take up."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from webapp.log.days import known, part_name

# What an attempt takes up in a SQLite file with its call, its words and all indexes, but without its bodies, and what
# a body takes up beyond its own bytes: measured by `bench/logs.py`, because SQLite does not tell by itself.
ROW_BYTES, BODY_BYTES = 920, 30
_PARTS = (
    "SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0) + coalesce(pg_total_relation_size(to_regclass(%s)), 0),"
    " coalesce(pg_total_relation_size(to_regclass(%s)), 0)"
)


@dataclass(frozen=True, slots=True)
class DaySize:
    """One day: counts, and bytes of attempts with their words, and of bodies."""

    day: int
    attempts: int
    bodies: int
    row_bytes: int
    body_bytes: int

    @property
    def size(self) -> int:
        """All bytes."""
        return self.row_bytes + self.body_bytes


def measure(connection: Connection) -> list[DaySize]:
    """The days of the log, newest first: on PostgreSQL as they lie on the disk, on SQLite as they are counted."""
    days = []
    for row in known(connection):
        rows = row.attempts * ROW_BYTES
        bodies = row.body_bytes + row.bodies * BODY_BYTES
        if connection.dialect.name == "postgresql":
            names = tuple(part_name(table, row.day) for table in ("call_logs", "call_words", "call_bodies"))
            sizes = connection.exec_driver_sql(_PARTS, names).one()
            rows, bodies = sizes if any(sizes) else (rows, bodies)
        days.append(DaySize(row.day, row.attempts, row.bodies, rows, bodies))
    return days
