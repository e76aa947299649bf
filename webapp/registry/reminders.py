"""Reminders of what ends: 30, 14, 7, 3 and 1 days before, and when it has ended; each is written once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from webapp.db import begin_write
from webapp.ids import uuid7
from webapp.models.credential import ExpiryReminder
from webapp.registry.expiry import Ending, endings
from webapp.runtime import Runtime

STEPS = (30, 14, 7, 3, 1, 0)  # days before; 0 when it has ended
KEPT = timedelta(days=400)


def remind(session: Session, runtime: Runtime) -> list[ExpiryReminder]:
    """Write the reminders that are due now; answers the new ones. The caller commits.

    What is found late gets the nearest reminder only, not those it missed.
    """
    begin_write(session, "expiry reminders")
    now = runtime.clock.now()
    # Whose access to a linked account ends is asked on a page of their own, and each in their own time.
    found = [ending for ending in endings(session, now) if ending.kind != "link"]
    due = [(ending, step) for ending in found if (step := _step(ending, runtime)) is not None]
    subjects = [ending.subject for ending, _ in due]
    written = select(ExpiryReminder.subject, ExpiryReminder.expires_at, ExpiryReminder.days)
    known = {tuple(row) for row in session.execute(written.where(ExpiryReminder.subject.in_(subjects)))}
    made = [
        ExpiryReminder(
            id=uuid7(),
            service_id=ending.service_id,
            subject=ending.subject,
            field=ending.field,
            days=step,
            expires_at=ending.expires_at,
            created_at=now,
        )
        for ending, step in due
        if (ending.subject, ending.expires_at, step) not in known
    ]
    session.add_all(made)
    session.execute(delete(ExpiryReminder).where(ExpiryReminder.created_at < now - KEPT))
    return made


def standing(session: Session, found: Sequence[Ending]) -> list[ExpiryReminder]:
    """The newest reminder of each of these, what ends first first; what was replaced has none any more."""
    places = [(ending.subject, ending.expires_at) for ending in found]
    if not places:
        return []
    query = select(ExpiryReminder).where(
        tuple_(ExpiryReminder.subject, ExpiryReminder.expires_at).in_(places)
    )
    newest: dict[str, ExpiryReminder] = {}
    for row in session.scalars(query.order_by(ExpiryReminder.days.desc())):
        newest[row.subject] = row
    return sorted(newest.values(), key=lambda row: (row.expires_at, row.subject))


def _step(ending: Ending, runtime: Runtime) -> int | None:
    """The nearest step that was reached."""
    left = ending.expires_at - runtime.clock.now()
    reached = [step for step in STEPS if left <= timedelta(days=step)]
    return min(reached) if reached else None
