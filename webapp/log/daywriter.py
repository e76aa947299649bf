"""Writes a batch on SQLite: the attempts of each day into the files of that day, everything else into the database.

The transactions of the files end first, bodies before rows, that of the database last. Killed in between, the batch comes
again from the journal: rows that are there are not new any more, and what they add up to waits in the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from webapp.db import lock_for_writing
from webapp.log import outbox, rollups
from webapp.log.batch import Batch, Values
from webapp.log.bodies import pack
from webapp.log.dayfiles import DayFiles
from webapp.log.days import Counts, counted, day_of
from webapp.log.dayschema import BODIES
from webapp.log.entries import Bodies
from webapp.log.oneatatime import one_writer
from webapp.log.records import moment
from webapp.log.rollups_tally import count
from webapp.log.statements import door_to
from webapp.log.tables import call_bodies, call_logs, calls
from webapp.log.written import Changes, Written, ended_in, foresee_attempts, foresee_calls, put_words


@dataclass(slots=True)
class Share:
    """What a batch brings for one day."""

    rows: dict[int, Values] = field(default_factory=dict)
    row_changes: dict[int, Values] = field(default_factory=dict)


@dataclass(slots=True)
class _Day:
    """A day whose file has its rows, but not the end of the transaction."""

    day: int
    file: Connection
    attempts: Changes
    bodies: dict[int, int]

    def tell(self, last: int) -> list[outbox.Message]:
        """Leave word of what is new; returns all that the database has not taken over, which has taken those up to `last`."""
        attempts = self.attempts
        if not (attempts.begun or attempts.ended or attempts.corrected or self.bodies):
            return outbox.left(self.file, last)
        sums = count(attempts.ended)
        rollups.correct(sums, attempts.corrected, ())
        return outbox.leave(self.file, last, self._counts(), sums)

    def _counts(self) -> Counts:
        begun = [(row["log_id"], moment(row["request_timestamp"])) for row in self.attempts.begun]
        return next(iter(counted(begun, self.bodies)), (self.day, 0, 0, 0, 0))


def write(engine: Engine, files: DayFiles, batch: Batch) -> Written:
    """Write everything or nothing; returns what that changed."""
    shares = shares_of(files, batch)
    with files.locked(shares), ExitStack() as open_files:
        days = [_begin(open_files, files, day, share, batch.bodies) for day, share in shares.items()]
        with one_writer(engine), engine.begin() as connection:
            lock_for_writing(connection)
            told = _calls(connection, batch)
            taken = outbox.taken(connection, shares) if shares else {}
            messages = [message for day in days for message in day.tell(taken.get(day.day, 0))]
            rollups.fold(connection, Written(Changes(), told, {}), outbox.apply(connection, messages))
            open_files.close()  # the days are there for good from here on
    return Written(
        _together(day.attempts for day in days), told, {k: v for day in days for k, v in day.bodies.items()}
    )


def shares_of(files: DayFiles, batch: Batch) -> dict[int, Share]:
    """The batch day by day; what completes rows of a day that is gone is left out."""
    shares: dict[int, Share] = {}
    for log_id, values in batch.rows.items():
        shares.setdefault(day_of(log_id), Share()).rows[log_id] = values
    for log_id, values in batch.row_changes.items():
        shares.setdefault(day_of(log_id), Share()).row_changes[log_id] = values
    return {day: share for day, share in sorted(shares.items()) if share.rows or files.exists(day)}


def _begin(
    open_files: ExitStack, files: DayFiles, day: int, share: Share, bodies: Mapping[int, Bodies]
) -> _Day:
    """Write the rows, words and bodies of a day; the transactions end with `open_files`, that of the bodies first."""
    file = open_files.enter_context(files.writing(day))
    attempts = foresee_attempts(file, share.rows, share.row_changes)
    door = door_to(file)
    door.insert(call_logs, share.rows.values())
    door.change(call_logs, "log_id", share.row_changes)
    put_words(file, attempts)
    packed = [pack(log_id, bodies[log_id]) for log_id in ended_in(attempts) if log_id in bodies]
    if packed:
        door_to(open_files.enter_context(files.writing(day, BODIES))).insert(call_bodies, packed)
    return _Day(day, file, attempts, {body["log_id"]: len(body["packed"]) for body in packed})


def _calls(connection: Connection, batch: Batch) -> Changes:
    told = foresee_calls(connection, batch)
    door = door_to(connection)
    door.insert(calls, batch.calls.values())
    door.change(calls, "call_id", batch.call_changes)
    return told


def _together(changes: Iterable[Changes]) -> Changes:
    """What several days saw, as one."""
    first, *others = [*changes] or [Changes()]
    for other in others:
        first.begun += other.begun
        first.ended += other.ended
        first.corrected += other.corrected
    return first
