"""Two people who change the same thing: the second is told, instead of overwriting what the first one did."""

from __future__ import annotations

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from adapters.kit import Message
from webapp.db import begin_write
from webapp.models.alert import AlertChannel, AlertRule
from webapp.models.maintenance import MaintenanceWindow
from webapp.registry.errors import NotFound, Stale


def claim(
    session: Session,
    row: AlertChannel | AlertRule | MaintenanceWindow,
    expected: int | None,
    *,
    lock: str,
    gone: str,
) -> None:
    """Make this the next revision; raises Stale when the stored one is not `expected`, NotFound(`gone`) without one."""
    begin_write(session, lock)
    try:
        session.refresh(row)
    except InvalidRequestError:  # somebody else deleted it just now
        raise NotFound(Message.of(gone), "NOT_FOUND") from None
    if expected is not None and row.revision != expected:
        raise Stale(row.revision)
    row.revision += 1
