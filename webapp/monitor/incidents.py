"""Incidents follow states: one is opened when a service is not well, and closed when it is again.

When nearly everything fails at once for reasons of the network, the fault is most likely ours: then there is one
incident about the network instead of one for each service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.health import ServiceHealth
from webapp.models.incident import Incident, IncidentEntry
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.affected import carrier_of, count_affected
from webapp.monitor.breakers import story
from webapp.monitor.causes import OUR_CODES, causes, may_be_us
from webapp.monitor.findings import BAD, TRIPPED
from webapp.monitor.states import OUTAGES, TROUBLES
from webapp.registry.condition import TRIPPED as CIRCUIT_OPEN

if TYPE_CHECKING:
    from webapp.runtime import Runtime

NETWORK = "network"
# From so many services on, and such a share of them, failing for such reasons means that it is us.
_FEWEST, _OPENS, _CLOSES = 3, 0.8, 0.5
# One slow check is no incident; two in a row are.
_WARNED_TWICE = "ww"
_WELL = ("healthy", "unknown")
_RANK = {"degraded": 0, "down": 1, "reauth": 2, NETWORK: 3}


@dataclass(frozen=True, slots=True)
class Subject:
    """A service as incidents look at it."""

    service_id: str
    name: str
    state: str
    code: str | None
    since: datetime
    marks: str
    excused: bool
    cause: str | None = None  # what the calls failed of, of a service whose breaker opened

    @property
    def trouble(self) -> str | None:
        """The state that an incident would have; None while there is none."""
        if self.state == "degraded" and not self.marks.endswith(_WARNED_TWICE):
            return None
        return self.state if self.state in TROUBLES else None

    @property
    def fails_like_the_network(self) -> bool:
        """Whether its last check failed for a reason that may lie on our side."""
        return self.marks.endswith(("x", TRIPPED)) and self.reason in OUR_CODES

    @property
    def is_tripped(self) -> bool:
        """Whether it is down because its breaker opened, rather than because of its checks."""
        return self.state == "down" and self.code == CIRCUIT_OPEN

    @property
    def reason(self) -> str | None:
        """The code of the cause."""
        return self.cause or self.code


def follow(runtime: Runtime) -> list[str]:
    """Open, worsen and close incidents after the states; returns the ids of those that changed."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        opened = {
            one.subject: one for one in session.scalars(select(Incident).where(Incident.closed_at.is_(None)))
        }
        subjects = _with_causes(runtime, _subjects(session, opened, now), opened, now)
        changed = _network(session, subjects, opened, now)
        by_us = NETWORK in opened and opened[NETWORK].is_open
        for subject in subjects.values():
            incident = opened.get(subject.service_id)
            if incident is None:
                if (
                    subject.trouble
                    and not subject.excused
                    and not _is_ours(session, subject, now, by_us=by_us)
                ):
                    changed.append(_open(runtime, session, subject, now))
            elif incident.is_open:
                changed += _continue(runtime, session, incident, subject, now)
        changed += _close_gone(session, opened, subjects, now)
        try:
            session.commit()
        except IntegrityError:  # another process that thought it leads was faster
            session.rollback()
            return []
        return [incident.incident_id for incident in changed]


def _subjects(session: Session, opened: Iterable[str], now: datetime) -> dict[str, Subject]:
    """The services that are not well, and those that have an incident."""
    query = (
        select(Service.service_id, Service.service_name, ServiceHealth.state, ServiceHealth.code,
               ServiceHealth.since, ServiceHealth.marks, ServiceHealth.maintenance_until)
        .join(ServiceHealth, ServiceHealth.service_id == Service.service_id)
        .where(Service.is_enabled, Service.deleted_at.is_(None))
        .where(or_(ServiceHealth.state.not_in(_WELL), Service.service_id.in_(list(opened))))
    )  # fmt: skip
    return {
        row.service_id: Subject(
            row.service_id, row.service_name, row.state, row.code, row.since, row.marks,
            excused=bool(row.maintenance_until and now < row.maintenance_until),
        )
        for row in session.execute(query)
    }  # fmt: skip


def _with_causes(
    runtime: Runtime, subjects: Mapping[str, Subject], opened: Mapping[str, Incident], now: datetime
) -> dict[str, Subject]:
    """Those whose breaker opened and who have no incident yet, with what their calls failed of."""
    asked = [id_ for id_, one in subjects.items() if one.is_tripped and id_ not in opened]
    found = causes(runtime, asked, now)
    return {id_: replace(one, cause=found.get(id_)) for id_, one in subjects.items()}


def _is_ours(session: Session, subject: Subject, now: datetime, *, by_us: bool) -> bool:
    """Whether its trouble belongs to the incident about the network, or may yet turn out to."""
    if by_us and subject.reason in OUR_CODES:
        return True
    waits = subject.is_tripped and subject.marks[-1] in BAD + TRIPPED and _checked(session) >= _FEWEST
    return waits and may_be_us(session, subject.service_id, subject.since, subject.cause, now)


def _checked(session: Session) -> int:
    """How many services are checked at all."""
    query = (
        select(func.count())
        .select_from(ServiceHealth)
        .join(Service, ServiceHealth.service_id == Service.service_id)
        .where(Service.is_enabled, Service.deleted_at.is_(None), ServiceHealth.marks != "")
    )
    return session.scalar(query) or 0


def _message(session: Session, service_id: str) -> dict[str, Any] | None:
    """What the check of a service said: its first stage that was not well."""
    row = session.get(ServiceHealth, service_id)
    stages = ((row.detail if row else None) or {}).get("stages") or []
    return next((one.get("message_id") for one in stages if one["status"] in {"failed", "warning"}), None)


def _network(
    session: Session, subjects: Mapping[str, Subject], opened: dict[str, Incident], now: datetime
) -> list[Incident]:
    failing = sum(one.fails_like_the_network for one in subjects.values())
    checked = _checked(session) if failing >= _FEWEST or NETWORK in opened else 0
    share = failing / checked if checked else 0.0
    incident = opened.get(NETWORK)
    if incident is None and failing >= _FEWEST and share >= _OPENS:
        text = N_("%(failing)s of %(all)s services cannot be reached: the fault is probably on this side.")
        message = Message.of(text, failing=failing, all=checked).to_dict()
        incident = Incident(subject=NETWORK, state=NETWORK, opened_at=now, message=message, points=[])
        session.add(incident)
        session.flush()
        note(session, incident, "opened", now, detail=message)
        opened[NETWORK] = incident
        return [incident]
    if incident is not None and share < _CLOSES:
        return [_close(session, incident, now)]
    return []


def _open(runtime: Runtime, session: Session, subject: Subject, now: datetime) -> Incident:
    said = story(runtime, session, subject.service_id) if subject.is_tripped else None
    incident = Incident(
        subject=subject.service_id, service_name=subject.name, state=subject.trouble, code=subject.reason,
        message=said or _message(session, subject.service_id), opened_at=now, points=[],
    )  # fmt: skip
    session.add(incident)
    session.flush()
    note(session, incident, "opened", now, detail={"state": incident.state, "code": incident.code})
    return incident


def _continue(
    runtime: Runtime, session: Session, incident: Incident, subject: Subject, now: datetime
) -> list[Incident]:
    # An outage that has ended in a warning has ended; the warning, if it stays, is another incident.
    if subject.state not in TROUBLES | {"pending"} or (
        incident.state in OUTAGES and subject.state == "degraded"
    ):
        count_affected(runtime, incident, now)
        return [_close(session, incident, now)]
    trouble = subject.trouble
    if trouble and trouble != incident.state:
        worse = _RANK[trouble] > _RANK[incident.state]
        incident.state = trouble if worse or trouble in OUTAGES else incident.state
        if worse:
            incident.code, incident.message = subject.code, _message(session, subject.service_id)
            note(session, incident, "state", now, detail={"state": trouble, "code": subject.code})
            return [incident]
    return _carried(runtime, session, incident, now)


def _carried(runtime: Runtime, session: Session, incident: Incident, now: datetime) -> list[Incident]:
    """See once whether another service of a route does the work of the broken one."""
    if incident.carried_by or incident.state not in OUTAGES:
        return []
    carrier = carrier_of(runtime, session, incident)
    if carrier is None:
        return []
    incident.carried_by = carrier
    note(session, incident, "carried", now, detail=carrier)
    return [incident]


def _close_gone(
    session: Session, opened: Mapping[str, Incident], subjects: Mapping[str, Subject], now: datetime
) -> list[Incident]:
    """Close the incidents of services that were disabled or deleted meanwhile."""
    return [
        _close(session, incident, now)
        for subject, incident in opened.items()
        if subject != NETWORK and subject not in subjects and incident.is_open
    ]


def _close(session: Session, incident: Incident, now: datetime) -> Incident:
    incident.closed_at = now
    note(session, incident, "closed", now)
    return incident


def note(
    session: Session,
    incident: Incident,
    kind: str,
    now: datetime,
    *,
    actor: str | None = None,
    text: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a line to the timeline of an incident; the caller commits."""
    session.add(
        IncidentEntry(
            incident_id=incident.incident_id, at=now, kind=kind, actor=actor, text=text,
            detail=dict(detail) if detail else None,
        )
    )  # fmt: skip


def timeline(session: Session, incident_id: str) -> Sequence[IncidentEntry]:
    """What happened, in order."""
    query = select(IncidentEntry).where(IncidentEntry.incident_id == incident_id)
    return session.scalars(query.order_by(IncidentEntry.entry_id)).all()
