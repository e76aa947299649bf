"""What goes when its time is over: bodies first, then attempts and calls; whole days where the database can do that.

Time is that of the ids, in whole days of UTC. A run has a budget of seconds; what it does not reach stays for the next
one. A log that is larger than it may be loses its oldest days before their time, bodies first, but never today.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Engine, delete, select, update

from webapp.ids import id_at
from webapp.log import daydrop, outbox
from webapp.log.dayfiles import DayFiles, files_of
from webapp.log.days import DAY, day_at, day_of
from webapp.log.dayschema import BODIES
from webapp.log.oneatatime import one_writer
from webapp.log.parts import drop_days, empty_bodies
from webapp.log.reading import reading
from webapp.log.searchtext import words_of
from webapp.log.sizes import DaySize, measure
from webapp.log.tables import call_bodies, call_logs, calls, log_days
from webapp.log.wordindex import remove_words

SLICE = 1_000
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long what is kept, and how large the log may be; no limit when that is 0."""

    bodies: timedelta
    rows: timedelta
    most_bytes: int = 0


@dataclass(slots=True)
class Pruned:
    """What a run took away, and whether it came to its end."""

    bodies: int = 0
    attempts: int = 0
    calls: int = 0
    size: int = 0  # bytes that the disk has back
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """The ids before which bodies, and attempts with their calls, have had their time."""

    bodies: int
    rows: int


def limits(kept: Kept, now: datetime, days: list[DaySize]) -> Limits:
    """Where the time of bodies and attempts ends, and the room for them."""
    rows = day_at(now - kept.rows) * DAY
    bodies = day_at(now - kept.bodies) * DAY if kept.bodies >= _A_DAY else id_at(now - kept.bodies)
    if kept.most_bytes:
        over = sum(day.size for day in days if day.day * DAY >= rows) - kept.most_bytes
        older = [
            day for day in sorted(days, key=lambda one: one.day) if rows <= day.day * DAY < day_at(now) * DAY
        ]
        for day in older:
            if over > 0 and day.day * DAY >= bodies:
                over -= day.body_bytes
                bodies = (day.day + 1) * DAY
        for day in older:
            if over > 0:
                over -= day.size - (day.body_bytes if day.day * DAY < bodies else 0)
                rows = (day.day + 1) * DAY
    return Limits(max(bodies, rows), rows)


@dataclass(frozen=True, slots=True)
class Freed:
    """What a run would take away."""

    bodies: int = 0
    attempts: int = 0
    size: int = 0


def freed(kept: Kept, now: datetime, days: list[DaySize]) -> Freed:
    """What would go now if so much were kept."""
    before = limits(kept, now, days)
    gone = [day for day in days if (day.day + 1) * DAY <= before.rows]
    emptied = [day for day in days if before.rows < (day.day + 1) * DAY <= before.bodies]
    return Freed(
        sum(day.bodies for day in (*gone, *emptied)),
        sum(day.attempts for day in gone),
        sum(day.size for day in gone) + sum(day.body_bytes for day in emptied),
    )


class Prune:
    """One run. Each step is a short transaction of its own, with a pause after it that lets others write."""

    def __init__(self, engine: Engine, budget_s: float, sleep: Callable[[float], None]) -> None:
        self._engine = engine
        self._files = files_of(engine)
        self._sleep = sleep
        self._until = time.monotonic() + budget_s
        self.result = Pruned()

    def run(self, kept: Kept, now: datetime) -> Pruned:
        """Take away what has had its time, until there is none or the budget is used up."""
        outbox.catch_up(self._engine)
        with reading(self._engine) as log:
            days = measure(log)
        before = limits(kept, now, days)
        if self._files is not None:
            self._files_of_days(self._files, before, {day.day: day for day in days})
        else:
            self._parts_of_days(before, days)
            self._slices(lambda connection: self._some_bodies(connection, before.bodies))
            self._slices(lambda connection: self._some_rows(connection, before.rows))
        self._slices(lambda connection: self._some_calls(connection, before.rows))
        if self.result.finished and self._files is None:  # a day of files is forgotten with them
            with self._engine.begin() as connection:
                connection.execute(delete(log_days).where(log_days.c.day < day_of(before.rows)))
        return self.result

    def _files_of_days(self, files: DayFiles, before: Limits, days: Mapping[int, DaySize]) -> None:
        """What ends before the limit goes at once; of bodies kept for less than a day some go, as many as had their time."""
        for day in sorted({*days, *files.days(), *files.days(BODIES)}):
            if not self._has_time():
                return
            known = days.get(day) or DaySize(day, 0, 0, 0, 0)
            if (day + 1) * DAY <= before.rows:
                self._count(known.attempts, known.bodies, daydrop.drop_day(self._engine, files, day))
            elif not files.exists(day, BODIES) or day * DAY >= before.bodies:
                continue
            elif (day + 1) * DAY <= before.bodies:
                self._count(0, known.bodies, daydrop.drop_bodies(self._engine, files, day))
            else:
                self.result.bodies += daydrop.some_bodies(self._engine, files, day, before.bodies)

    def _parts_of_days(self, before: Limits, days: list[DaySize]) -> None:
        """What ends before the limit goes at once, however much it is."""
        gone = [day for day in days if (day.day + 1) * DAY <= before.rows]
        if drop_days(self._engine, before.rows):
            for day in gone:
                self._count(day.attempts, day.bodies, day.size)
        for day in days:
            ends = (day.day + 1) * DAY
            if day.bodies and before.rows < ends <= before.bodies and empty_bodies(self._engine, day.day):
                self._count(0, day.bodies, day.body_bytes)

    def _count(self, attempts: int, bodies: int, size: int) -> None:
        self.result.attempts += attempts
        self.result.bodies += bodies
        self.result.size += size

    def _has_time(self) -> bool:
        self.result.finished = self.result.finished and time.monotonic() <= self._until
        return self.result.finished

    def _slices(self, work: Callable[[Connection], int]) -> None:
        while self._has_time():
            began = time.monotonic()
            with one_writer(self._engine), self._engine.begin() as connection:
                taken = work(connection)
            if taken < SLICE:
                return
            self._sleep(min(time.monotonic() - began, 0.1))

    def _some_bodies(self, connection: Connection, before: int) -> int:
        ids = _oldest(connection, call_bodies.c.log_id, before)
        gone = connection.execute(delete(call_bodies).where(call_bodies.c.log_id.in_(ids))).rowcount
        for day in {day_of(log_id) for log_id in ids}:
            count = sum(day_of(log_id) == day for log_id in ids)
            share = log_days.c.body_bytes * count / log_days.c.bodies
            connection.execute(
                update(log_days)
                .where(log_days.c.day == day, log_days.c.bodies >= count)
                .values(bodies=log_days.c.bodies - count, body_bytes=log_days.c.body_bytes - share)
            )
        self.result.bodies += gone
        return len(ids)

    def _some_rows(self, connection: Connection, before: int) -> int:
        ids = _oldest(connection, call_logs.c.log_id, before)
        rows = connection.execute(select(call_logs).where(call_logs.c.log_id.in_(ids))).mappings()
        ended = [dict(row) for row in rows if row["response_timestamp"] is not None]
        remove_words(connection, [(row["log_id"], words_of(row)) for row in ended])
        connection.execute(delete(call_logs).where(call_logs.c.log_id.in_(ids)))
        for day in {day_of(log_id) for log_id in ids}:
            count = sum(day_of(log_id) == day for log_id in ids)
            values = {"attempts": log_days.c.attempts - count}
            connection.execute(update(log_days).where(log_days.c.day == day).values(values))
        self.result.attempts += len(ids)
        return len(ids)

    def _some_calls(self, connection: Connection, before: int) -> int:
        ids = _oldest(connection, calls.c.call_id, before)
        self.result.calls += connection.execute(delete(calls).where(calls.c.call_id.in_(ids))).rowcount
        return len(ids)


def _oldest(connection: Connection, column: Column[int], before: int) -> list[int]:
    query = select(column).where(column < before).order_by(column).limit(SLICE)
    return list(connection.scalars(query))
