"""What people do about incidents: take notice, write notes, look back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.incident import Incident, IncidentEntry
from webapp.monitor.affected import count_affected
from webapp.monitor.incidents import NETWORK, note
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.history import note_flaws
from webapp.registry.shape import moment
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime


def find(session: Session, incident_id: str) -> Incident:
    """One incident; raises NotFound."""
    incident = session.get(Incident, incident_id)
    if incident is None:
        raise NotFound(Message.of(N_("There is no such incident.")), "NOT_FOUND")
    return incident


def incidents(
    session: Session, *, service_id: str | None = None, limit: int = 20, before: str | None = None
) -> Sequence[Incident]:
    """Incidents, newest first; ids grow with time, so `before` is the id of the last one seen."""
    query = select(Incident)
    if service_id is not None:
        query = query.where(Incident.subject == service_id)
    if before is not None:
        query = query.where(Incident.incident_id < before)
    return session.scalars(query.order_by(Incident.incident_id.desc()).limit(limit)).all()


def open_incidents(session: Session) -> Sequence[Incident]:
    """Incidents that last, the oldest first."""
    return session.scalars(
        select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.opened_at)
    ).all()


def acknowledge(session: Session, runtime: Runtime, incident: Incident, *, actor: str) -> None:
    """Say that somebody looks after it: reminders stop. Twice is once. The caller commits."""
    if incident.acknowledged_at is not None:
        return
    incident.acknowledged_at, incident.acknowledged_by = runtime.clock.now(), actor
    note(session, incident, "acknowledged", runtime.clock.now(), actor=actor)
    audit.append(session, runtime, actor=actor, action="incident.acknowledge", target=incident.incident_id)


def write_note(session: Session, runtime: Runtime, incident: Incident, text: str, *, actor: str) -> None:
    """Add a note. Raises Invalid for an empty or a far too long one. The caller commits."""
    flaws = note_flaws(text)
    if not text.strip():
        flaws = [Flaw.at("note", code="missing", message=Message.of(N_("Write what you know.")))]
    if flaws:
        raise Invalid(flaws)
    note(session, incident, "note", runtime.clock.now(), actor=actor, text=text.strip())


def refresh_affected(runtime: Runtime, incident: Incident) -> None:
    """Count anew whom an incident that lasts has touched."""
    if incident.is_open and incident.subject != NETWORK:
        count_affected(runtime, incident, runtime.clock.now())


def to_dict(incident: Incident, entries: Sequence[IncidentEntry] | None = None) -> dict[str, Any]:
    """An incident as JSON, with its timeline when that is given."""
    about_us = incident.subject == NETWORK
    told: dict[str, Any] = {
        "incident_id": incident.incident_id,
        "service_id": None if about_us else incident.subject,
        "service_name": incident.service_name,
        "state": incident.state,
        "code": incident.code,
        "opened_at": moment(incident.opened_at),
        "closed_at": moment(incident.closed_at),
        "acknowledged_at": moment(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "affected_calls": incident.affected_calls,
        "affected_more": incident.affected_more,
        "integration_points": list(incident.points),
        "recipients": incident.recipients,
        "carried_by": incident.carried_by,
    }
    if entries is not None:
        told["timeline"] = [
            {
                "at": moment(one.at),
                "kind": one.kind,
                "actor": one.actor,
                "text": one.text,
                "detail": one.detail,
            }
            for one in entries
        ]
    return told
