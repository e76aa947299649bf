"""Looking through the audit: by who, what, to what and when; newest first, by the number of the entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from webapp.models.audit import AuditEntry

CHUNK = 500


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is wanted; an action that ends in a dot stands for all actions that begin with it."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of entries, and the number below which the next page begins."""

    items: list[AuditEntry]
    next_cursor: int | None


def search(session: Session, wanted: AuditFilter, *, limit: int = 50, before: int | None = None) -> Found:
    """Return one page."""
    rows = list(session.scalars(_below(_query(wanted), before).limit(limit + 1)))
    return Found(rows[:limit], rows[limit - 1].seq if len(rows) > limit else None)


def walk(session: Session, wanted: AuditFilter) -> Iterator[AuditEntry]:
    """Return everything that is wanted, newest first, a chunk at a time."""
    before: int | None = None
    while True:
        rows = list(session.scalars(_below(_query(wanted), before).limit(CHUNK)))
        yield from rows
        if len(rows) < CHUNK:
            return
        before = rows[-1].seq
        session.expunge_all()


def actions(session: Session) -> list[str]:
    """List the actions that occur."""
    return list(session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))


def _below(query: Select[AuditEntry], before: int | None) -> Select[AuditEntry]:
    query = query.order_by(AuditEntry.seq.desc())
    return query if before is None else query.where(AuditEntry.seq < before)


def _query(wanted: AuditFilter) -> Select[AuditEntry]:
    query = select(AuditEntry)
    if wanted.actor:
        query = query.where(AuditEntry.actor == wanted.actor)
    if wanted.action:
        whole = not wanted.action.endswith(".")
        matches = AuditEntry.action == wanted.action if whole else AuditEntry.action.startswith(wanted.action)
        query = query.where(matches)
    if wanted.target:
        query = query.where(AuditEntry.target == wanted.target)
    if wanted.since:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until:
        query = query.where(AuditEntry.at < wanted.until)
    return query
