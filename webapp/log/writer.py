"""Writes a batch of the journal into the log: rows, bodies, words and counts in one transaction, harmless when repeated."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from webapp.db import lock_for_writing, locked_file
from webapp.log import rollups
from webapp.log.batch import Batch, Values
from webapp.log.bodies import pack
from webapp.log.days import day_of, ensure, note
from webapp.log.records import moment, stamp
from webapp.log.searchtext import words_of
from webapp.log.statements import door_to
from webapp.log.tables import call_bodies, call_logs, calls
from webapp.log.wordindex import add_words, remove_words
from webapp.log.written import Changes, Written, foresee


def write(engine: Engine, batch: Batch) -> Written:
    """Write everything or nothing; returns what that changed. Raises SQLAlchemyError."""
    with one_writer(engine), engine.begin() as connection:
        lock_for_writing(connection)
        ensure(connection, map(day_of, batch.rows))
        written = _rows(connection, batch)
        note(
            connection,
            [(row["log_id"], moment(row["request_timestamp"])) for row in written.attempts.begun],
            written.bodies,
        )
        _words(connection, written.attempts)
        rollups.fold(connection, written)
    return written


def stamped(values: Mapping[str, Any]) -> Values:
    """A row with its times as a record of the journal has them."""
    return {name: stamp(value) if isinstance(value, datetime) else value for name, value in values.items()}


def one_writer(engine: Engine) -> AbstractContextManager[None]:
    """Processes that drain into the same SQLite file take turns: waiting for its own lock would starve some."""
    if engine.dialect.name == "sqlite":
        return locked_file(Path(f"{engine.url.database}.drain.lock"))
    return nullcontext()


def _rows(connection: Connection, batch: Batch) -> Written:
    attempts, told_calls = foresee(connection, batch)
    ended = {row["log_id"] for row in attempts.ended} | {row["log_id"] for _, row in attempts.corrected}
    bodies = [pack(log_id, kept) for log_id, kept in batch.bodies.items() if log_id in ended]
    door = door_to(connection)
    door.insert(calls, batch.calls.values())
    door.insert(call_logs, batch.rows.values())
    door.change(calls, "call_id", batch.call_changes)
    door.change(call_logs, "log_id", batch.row_changes)
    door.insert(call_bodies, bodies)
    return Written(attempts, told_calls, {body["log_id"]: len(body["packed"]) for body in bodies})


def _words(connection: Connection, attempts: Changes) -> None:
    """An attempt is found by words from its end on."""
    remove_words(connection, ((row["log_id"], words_of(row)) for row, _ in attempts.corrected))
    after = [*attempts.ended, *(row for _, row in attempts.corrected)]
    add_words(connection, ((row["log_id"], words_of(row)) for row in after))
