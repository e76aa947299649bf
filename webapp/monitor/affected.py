"""Whom an incident touched, by the call log: calls, points in business code, recipients, and who stood in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.log.entries import LogEntry
from webapp.log.filters import LogFilter
from webapp.log.query import LIMIT_MAX
from webapp.models.incident import Incident
from webapp.models.route import Route
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.findings import ALERTS_CALLER

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_POINTS = 20


def count_affected(runtime: Runtime, incident: Incident, until: datetime) -> None:
    """Write the failed attempts since it began into the incident; at most the newest 200 are looked at."""
    wanted = LogFilter(service_id=incident.subject, outcome="failed", from_=incident.opened_at, to=until)
    page = runtime.log.search(wanted, limit=LIMIT_MAX)
    entries = [entry for entry in page.items if entry.caller != ALERTS_CALLER]  # who is told is not touched
    incident.affected_calls = len({entry.call_id for entry in entries})
    incident.affected_more = page.next_cursor is not None
    incident.points = _points(entries)
    incident.recipients = len({entry.recipient_mask for entry in entries if entry.recipient_mask})


def _points(entries: Sequence[LogEntry]) -> list[str]:
    return sorted({entry.integration_point for entry in entries if entry.integration_point})[:_POINTS]


def carrier_of(runtime: Runtime, session: Session, incident: Incident) -> dict[str, Any] | None:
    """The service behind the broken one in a route that has done work since; None while there is none."""
    for route in session.scalars(select(Route).order_by(Route.name)):
        if incident.subject not in route.members:
            continue
        for service_id in route.members[route.members.index(incident.subject) + 1 :]:
            wanted = LogFilter(service_id=service_id, outcome="succeeded", from_=incident.opened_at)
            found = runtime.log.search(wanted, limit=LIMIT_MAX).items
            service = session.get(Service, service_id)
            if found and service is not None:
                return {
                    "service_id": service_id, "service_name": service.service_name,
                    "route": route.name, "calls": len(found),
                }  # fmt: skip
    return None
