"""How large the log is: of each day how many attempts and bodies there are, and what they take up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from webapp.log.dayfiles import DayFiles
from webapp.log.days import known, part_name
from webapp.log.dayschema import BODIES
from webapp.log.reading import Reading
from webapp.log.tables import call_logs

_ANY = select(call_logs).limit(1)
# What an attempt takes up with its words and all indexes, but without its bodies, and what a body takes up beyond its own
# bytes, for rows of before there were parts: measured by `bench/logs.py`.
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
    is_readable: bool = True

    @property
    def size(self) -> int:
        """All bytes."""
        return self.row_bytes + self.body_bytes


def measure(log: Reading) -> list[DaySize]:
    """The days of the log, newest first, as they lie on the disk."""
    if log.files is not None:
        return _files(log, log.files)
    return [DaySize(row.day, row.attempts, row.bodies, *_parts(log.main, row)) for row in known(log.main)]


def _files(log: Reading, files: DayFiles) -> list[DaySize]:
    for _ in log.each(lambda file, _low, _high: file.execute(_ANY).first()):
        pass  # who cannot answer is named
    return [
        DaySize(
            row.day, row.attempts, row.bodies, files.size(row.day), files.size(row.day, BODIES),
            row.day not in log.unreadable,
        )
        for row in log.days
    ]  # fmt: skip


def _parts(connection: Connection, row: Row[Any]) -> tuple[int, int]:
    names = tuple(part_name(table, row.day) for table in ("call_logs", "call_words", "call_bodies"))
    rows, bodies = connection.exec_driver_sql(_PARTS, names).one()
    if rows or bodies:
        return rows, bodies
    return row.attempts * ROW_BYTES, row.body_bytes + row.bodies * BODY_BYTES
