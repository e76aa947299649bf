"""Maintenance windows: made, ended, and told to the health of the services they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from adapters.kit.syntax import single_line
from webapp.db import begin_write
from webapp.models.health import ServiceHealth
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.fields import Identifier, Strict, flaws_of
from webapp.registry.shape import moment
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

LONGEST = timedelta(days=30)
_LOCK = "maintenance"


class WindowFields(Strict):
    """A window as it is asked for."""

    title: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(single_line)]
    services: list[Identifier] = Field(
        default=[], max_length=200, description="Ids of services; none means all."
    )
    starts_at: AwareDatetime
    ends_at: AwareDatetime


def create(session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str) -> MaintenanceWindow:
    """Plan a window. Raises Invalid, also when it overlaps with another one. The caller commits."""
    fields = _checked(session, runtime, values)
    begin_write(session, _LOCK)
    _refuse_overlap(session, fields)
    window = MaintenanceWindow(**fields.model_dump(), created_at=runtime.clock.now(), created_by=actor)
    session.add(window)
    session.flush()
    apply(session, runtime)
    _note(session, runtime, window, actor, "maintenance.create")
    return window


def end(session: Session, runtime: Runtime, window_id: str, *, actor: str) -> MaintenanceWindow:
    """End a window now, or call it off before it began. Raises NotFound. The caller commits."""
    window = find(session, window_id)
    now = runtime.clock.now()
    _note(session, runtime, window, actor, "maintenance.end")
    if window.starts_at >= now:
        session.delete(window)
    elif window.ends_at > now:
        window.ends_at = now
    session.flush()
    apply(session, runtime)
    return window


def find(session: Session, window_id: str) -> MaintenanceWindow:
    """One window; raises NotFound."""
    window = session.get(MaintenanceWindow, window_id)
    if window is None:
        raise NotFound(Message.of(N_("There is no such maintenance window.")), "NOT_FOUND")
    return window


def listed(session: Session, now: datetime, past: int = 20) -> Sequence[MaintenanceWindow]:
    """What is planned and under way, the next first, then some that are over, the last first."""
    window = MaintenanceWindow
    coming = session.scalars(select(window).where(window.ends_at > now).order_by(window.starts_at)).all()
    over = select(window).where(window.ends_at <= now).order_by(window.ends_at.desc()).limit(past)
    return [*coming, *session.scalars(over)]


def active(session: Session, now: datetime) -> Sequence[MaintenanceWindow]:
    """The windows that are open."""
    window = MaintenanceWindow
    return session.scalars(select(window).where(window.starts_at <= now, window.ends_at > now)).all()


def apply(session: Session, runtime: Runtime) -> None:
    """Tell the health of services whether they are under maintenance; the caller commits."""
    now = runtime.clock.now()
    until: dict[str, datetime] = {}
    for window in active(session, now):
        for service_id in window.services or session.scalars(select(Service.service_id)):
            until[service_id] = max(until.get(service_id, window.ends_at), window.ends_at)
    known = {
        row.service_id: row.maintenance_until
        for row in session.execute(select(ServiceHealth.service_id, ServiceHealth.maintenance_until))
    }
    for service_id, ends in until.items():
        if service_id not in known:
            session.add(
                ServiceHealth(service_id=service_id, state="unknown", since=now, maintenance_until=ends)
            )
        elif known[service_id] != ends:
            _set(session, service_id, ends)
    for service_id, ends in known.items():
        if ends is not None and service_id not in until:
            _set(session, service_id, None)


def _set(session: Session, service_id: str, until: datetime | None) -> None:
    session.execute(
        update(ServiceHealth).where(ServiceHealth.service_id == service_id).values(maintenance_until=until)
    )


def to_dict(window: MaintenanceWindow, now: datetime) -> dict[str, Any]:
    """A window as JSON."""
    return {
        "window_id": window.window_id,
        "title": window.title,
        "services": list(window.services),
        "starts_at": moment(window.starts_at),
        "ends_at": moment(window.ends_at),
        "state": phase(window, now),
        "created_at": moment(window.created_at),
        "created_by": window.created_by,
    }


def phase(window: MaintenanceWindow, now: datetime) -> str:
    """`planned`, `active` or `over`."""
    return "planned" if now < window.starts_at else "active" if now < window.ends_at else "over"


def _checked(session: Session, runtime: Runtime, values: Mapping[str, Any]) -> WindowFields:
    try:
        fields = WindowFields.model_validate(dict(values))
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = []
    if fields.ends_at <= fields.starts_at:
        flaws.append(_flaw("ends_at", N_("It cannot end before it begins.")))
    elif fields.ends_at <= runtime.clock.now():
        flaws.append(_flaw("ends_at", N_("It would be over already.")))
    elif fields.ends_at - fields.starts_at > LONGEST:
        flaws.append(_flaw("ends_at", N_("A window may last 30 days at most.")))
    chosen = select(Service.service_id).where(
        Service.service_id.in_(fields.services), Service.deleted_at.is_(None)
    )
    known = set(session.scalars(chosen))
    if set(fields.services) - known:
        flaws.append(_flaw("services", N_("There is no such service.")))
    if flaws:
        raise Invalid(flaws)
    return fields


def _refuse_overlap(session: Session, fields: WindowFields) -> None:
    """Two windows over one service would disagree about when it ends."""
    window = MaintenanceWindow
    near = select(window).where(window.starts_at < fields.ends_at, window.ends_at > fields.starts_at)
    for other in session.scalars(near):
        if not other.services or not fields.services or set(other.services) & set(fields.services):
            message = Message.of(
                N_("It overlaps with the window %(title)s for the same service."), title=other.title
            )
            raise Invalid([Flaw.at("starts_at", code="overlap", message=message)])


def _flaw(name: str, text: str) -> Flaw:
    return Flaw.at(name, code="range", message=Message.of(text))


def _note(session: Session, runtime: Runtime, window: MaintenanceWindow, actor: str, action: str) -> None:
    detail = {"title": window.title, "services": list(window.services), "ends_at": moment(window.ends_at)}
    audit.append(session, runtime, actor=actor, action=action, target=window.window_id, detail=detail)
