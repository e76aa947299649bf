"""Writes a batch of the journal into the log: rows, bodies, words and counts, all or nothing, harmless when repeated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from webapp.log import daywriter, rollups
from webapp.log.batch import Batch, Values
from webapp.log.bodies import pack
from webapp.log.dayfiles import files_of
from webapp.log.days import day_of, ensure, note
from webapp.log.records import moment, stamp
from webapp.log.statements import door_to
from webapp.log.tables import call_bodies, call_logs, calls
from webapp.log.written import Written, ended_in, foresee_attempts, foresee_calls, put_words


def write(engine: Engine, batch: Batch) -> Written:
    """Write everything or nothing; returns what that changed. Raises SQLAlchemyError."""
    if (files := files_of(engine)) is not None:
        return daywriter.write(engine, files, batch)
    with engine.begin() as connection:
        ensure(connection, map(day_of, batch.rows))
        written = _rows(connection, batch)
        note(
            connection,
            [(row["log_id"], moment(row["request_timestamp"])) for row in written.attempts.begun],
            written.bodies,
        )
        put_words(connection, written.attempts)
        rollups.fold(connection, written)
    return written


def stamped(values: Mapping[str, Any]) -> Values:
    """A row with its times as a record of the journal has them."""
    return {name: stamp(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _rows(connection: Connection, batch: Batch) -> Written:
    attempts = foresee_attempts(connection, batch.rows, batch.row_changes)
    told_calls = foresee_calls(connection, batch)
    ended = ended_in(attempts)
    bodies = [pack(log_id, kept) for log_id, kept in batch.bodies.items() if log_id in ended]
    door = door_to(connection)
    door.insert(calls, batch.calls.values())
    door.insert(call_logs, batch.rows.values())
    door.change(calls, "call_id", batch.call_changes)
    door.change(call_logs, "log_id", batch.row_changes)
    door.insert(call_bodies, bodies)
    return Written(attempts, told_calls, {body["log_id"]: len(body["packed"]) for body in bodies})
