"""What the files of days tell the database, so that nothing is counted twice or forgotten when a process is killed.

No transaction holds for two SQLite files. So the transaction that writes the rows of a day also leaves a message in the
file: what the rows add to the sums and to what is known of the day, under the next number of that day. The transaction
of the database that takes the message over notes its number (`log_days.applied`), so each is taken over once: by the
writer at once, and after a death by whoever comes next. What was taken over is removed with the next message. Numbers go
on from both sides, so that a file that was lost or brought back does not repeat one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from webapp.db import lock_for_writing
from webapp.log import rollups
from webapp.log.dayengines import is_broken
from webapp.log.dayfiles import Absent, DayFiles, DayUnreadable, files_of
from webapp.log.days import Counts
from webapp.log.oneatatime import one_writer
from webapp.log.rollups_tally import Tallies

_TAKEN = "SELECT day, applied FROM log_days WHERE day IN ({})"
_APPLY = (
    "INSERT INTO log_days (day, attempts, bodies, body_bytes, drift_ms, applied) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (day) DO UPDATE SET attempts = attempts + excluded.attempts, bodies = bodies + excluded.bodies,"
    " body_bytes = body_bytes + excluded.body_bytes, drift_ms = max(drift_ms, excluded.drift_ms),"
    " applied = max(applied, excluded.applied)"
)


@dataclass(frozen=True, slots=True)
class Message:
    """What a file tells: its number, what it adds to the day, and rows that wait to be added to the sums."""

    number: int
    counts: Counts
    sums: Sequence[Sequence[object]]


def taken(connection: Connection, days: Collection[int]) -> dict[int, int]:
    """The number of the last message of each day that the database has taken over."""
    holes = ", ".join("?" * len(days))
    return dict(tuple(row) for row in connection.exec_driver_sql(_TAKEN.format(holes), (*days,)))


def leave(file: Connection, last: int, counts: Counts, sums: Tallies) -> list[Message]:
    """Leave a message; returns all that the database has not taken over, which has taken those up to `last`."""
    waiting = left(file, last)
    message = Message((waiting[-1].number if waiting else last) + 1, counts, rollups.rows_of(sums))
    told = orjson.dumps([message.counts, message.sums]).decode()
    if waiting:
        file.exec_driver_sql("DELETE FROM outbox WHERE number <= ?", (last,))
    replaced = file.exec_driver_sql(
        "UPDATE outbox SET number = ?, told = ? WHERE number = ?", (message.number, told, last)
    )
    if not replaced.rowcount:
        file.exec_driver_sql("INSERT INTO outbox (number, told) VALUES (?, ?)", (message.number, told))
    return [*waiting, message]


def left(file: Connection, last: int) -> list[Message]:
    """The messages after those up to `last`, oldest first."""
    query = "SELECT number, told FROM outbox WHERE number > ? ORDER BY number"
    return [
        Message(number, *orjson.loads(told)) for number, told in file.exec_driver_sql(query, (last,)).all()
    ]


def apply(connection: Connection, messages: Collection[Message]) -> list[Sequence[object]]:
    """Take messages over, within a transaction that holds the write lock; returns what is to be added to the sums."""
    if messages:
        counts = [(*message.counts, message.number) for message in messages]
        connection.exec_driver_sql(_APPLY, counts)
    return [row for message in messages for row in message.sums]


def catch_up(engine: Engine) -> None:
    """Take over what processes left that died in between."""
    files = files_of(engine)
    if files is None:
        return
    with engine.connect() as connection:
        left = _left(connection, files)
    if left:
        with one_writer(engine), engine.begin() as connection:
            catch_up_within(connection, files)


def catch_up_within(connection: Connection, files: DayFiles, days: Collection[int] | None = None) -> None:
    """The same within a transaction, for all days or for some."""
    lock_for_writing(connection)
    rollups.insert(connection, apply(connection, _left(connection, files, days)))


def _left(connection: Connection, files: DayFiles, days: Collection[int] | None = None) -> list[Message]:
    wanted = files.days() if days is None else days
    known = taken(connection, wanted)
    return [message for day in wanted for message in _left_in(files, day, known.get(day, 0))]


def _left_in(files: DayFiles, day: int, last: int) -> list[Message]:
    try:
        with files.reading(day) as file:
            return left(file, last)
    except (Absent, DayUnreadable):
        return []
    except DBAPIError as error:
        if files.exists(day) and not is_broken(error):
            raise
        return []
