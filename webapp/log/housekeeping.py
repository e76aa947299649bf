"""What keeps the call log truthful and small: ends for what a dead process left open, and retention."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Engine,
    case,
    delete,
    exists,
    literal,
    select,
    update,
)

from webapp.log.tables import call_bodies, call_logs, calls

_SLICE = 2_000
PROCESS_DIED = "process_died"


def close_orphans(connection: Connection, now: datetime, older_than: timedelta) -> int:
    """End attempts without an end as unknown, then their calls; returns how many attempts.

    Nobody can say whether such an attempt was done, so the call is unknown as well. A call that died
    between two attempts takes the word of its attempts.
    """
    before = now - older_than
    ended = connection.execute(
        update(call_logs)
        .where(call_logs.c.outcome == "pending", call_logs.c.request_timestamp < before)
        .values(
            outcome="unknown", effect="UNKNOWN", code="AMBIGUOUS_OUTCOME", is_success=False,
            error_message=PROCESS_DIED, response_timestamp=now, next="reconcile",
        )
    )  # fmt: skip
    _close_calls(connection, before)
    return int(ended.rowcount)


def _close_calls(connection: Connection, before: datetime) -> None:
    def some(outcome: str) -> ColumnElement[bool]:
        return exists().where(call_logs.c.call_id == calls.c.call_id, call_logs.c.outcome == outcome)

    def choose(unknown: str, succeeded: str | None, failed: str) -> ColumnElement[Any]:
        return case(
            (some("succeeded"), literal(succeeded)),
            (some("unknown"), literal(unknown)),
            else_=literal(failed),
        )

    connection.execute(
        update(calls)
        .where(calls.c.outcome == "pending", calls.c.created_at < before)
        .values(
            outcome=choose("unknown", "succeeded", "failed"),
            effect=choose("UNKNOWN", "DONE", "NONE"),
            code=choose("AMBIGUOUS_OUTCOME", None, "INTERNAL_ERROR"),
            problem={"detail": PROCESS_DIED},
        )
    )


def prune(engine: Engine, *, bodies_before: datetime, rows_before: datetime) -> tuple[int, int]:
    """Delete bodies and rows that are older; one short transaction for each slice."""
    old_bodies = (
        select(call_bodies.c.log_id)
        .join(call_logs, call_logs.c.log_id == call_bodies.c.log_id)
        .where(call_logs.c.request_timestamp < bodies_before)
        .order_by(call_bodies.c.log_id)
        .limit(_SLICE)
    )
    old_rows = (
        select(call_logs.c.log_id)
        .where(call_logs.c.request_timestamp < rows_before, call_logs.c.outcome != "pending")
        .order_by(call_logs.c.log_id)
        .limit(_SLICE)
    )
    old_calls = (
        select(calls.c.call_id)
        .where(calls.c.created_at < rows_before)
        .order_by(calls.c.call_id)
        .limit(_SLICE)
    )
    bodies = _delete_slices(engine, delete(call_bodies).where(call_bodies.c.log_id.in_(old_bodies)))
    rows = _delete_slices(engine, delete(call_logs).where(call_logs.c.log_id.in_(old_rows)))
    _delete_slices(engine, delete(calls).where(calls.c.call_id.in_(old_calls)))
    return bodies, rows


def _delete_slices(engine: Engine, slice_: Delete) -> int:
    total = 0
    while True:
        with engine.begin() as connection:
            deleted = int(connection.execute(slice_).rowcount)
        total += deleted
        if deleted < _SLICE:
            return total
