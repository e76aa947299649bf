"""Takes the files of days away on SQLite: everything of a day, or its bodies.

What a file still had to tell is taken over first, and its day counts for nothing before it goes, so that whoever is killed
in between leaves nothing that is counted wrong: the next run ends it.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, delete, func, select, update

from webapp.log import outbox
from webapp.log.dayfiles import DayFiles
from webapp.log.dayschema import BODIES
from webapp.log.oneatatime import one_writer
from webapp.log.tables import call_bodies, log_days

SLICE = 1_000


def drop_day(engine: Engine, files: DayFiles, day: int) -> int:
    """Take everything of a day away; returns how many bytes that were."""
    with files.locked([day]):
        _count(engine, files, day, attempts=0, bodies=0, body_bytes=0)
        size = files.drop(day) + files.drop(day, BODIES)
        with one_writer(engine), engine.begin() as connection:
            connection.execute(delete(log_days).where(log_days.c.day == day))
        return size


def drop_bodies(engine: Engine, files: DayFiles, day: int) -> int:
    """Take the bodies of a day away, whose attempts stay; returns how many bytes that were."""
    with files.locked([day]):
        _count(engine, files, day, bodies=0, body_bytes=0)
        return files.drop(day, BODIES)


def some_bodies(engine: Engine, files: DayFiles, day: int, before: int) -> int:
    """Take away the bodies of a day up to an attempt, in slices; returns how many. Their room is used again that day."""
    gone = 0
    while True:
        with files.locked([day]):
            with files.writing(day, BODIES) as file:
                taken = _slice(file, before)
                totals = func.count(), func.coalesce(func.sum(func.length(call_bodies.c.packed)), 0)
                left, left_bytes = (0, 0) if taken == SLICE else file.execute(select(*totals)).one()
            if taken < SLICE:
                _count(engine, files, day, bodies=left, body_bytes=left_bytes)
        gone += taken
        if taken < SLICE:
            return gone


def _slice(file: Connection, before: int) -> int:
    ids = select(call_bodies.c.log_id).where(call_bodies.c.log_id < before).limit(SLICE)
    return file.execute(delete(call_bodies).where(call_bodies.c.log_id.in_(ids))).rowcount


def _count(engine: Engine, files: DayFiles, day: int, **counts: int) -> None:
    """Say what is known of a day, once everything was taken over that its file had to tell."""
    with one_writer(engine), engine.begin() as connection:
        outbox.catch_up_within(connection, files, [day])
        connection.execute(update(log_days).where(log_days.c.day == day).values(**counts))
