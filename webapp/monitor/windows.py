"""Maintenance windows: made, ended, and told to the health of the services they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from adapters.kit.syntax import single_line
from webapp.db import begin_write
from webapp.models.health import ServiceHealth
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.occurrences import DAYS, Series, series_of
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.fields import Identifier, Strict, flaws_of
from webapp.registry.shape import moment
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

LONGEST = timedelta(days=30)
# A day, or a month, may be an hour shorter than the next.
_BETWEEN = timedelta(hours=1)
_FARTHEST = timedelta(days=5 * 366)
_LOCK = "maintenance"


class WindowFields(Strict):
    """A window as it is asked for."""

    title: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(single_line)]
    services: list[Identifier] = Field(
        default=[], max_length=200, description="Ids of services; none means all."
    )
    starts_at: AwareDatetime = Field(description="When it begins, the first time if it repeats.")
    ends_at: AwareDatetime
    repeats: Literal["daily", "weekly", "monthly"] | None = Field(
        default=None,
        description="At the same hours of each day, of this weekday, or of this day of the month.",
    )
    time_zone: str = Field(default="UTC", description="Whose hours are meant when it repeats.")
    repeat_until: AwareDatetime | None = Field(
        default=None, description="It does not begin again after this; empty means it never stops."
    )


def create(session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str) -> MaintenanceWindow:
    """Plan a window. Raises Invalid, also when it overlaps with another one. The caller commits."""
    fields = _checked(session, runtime, values)
    begin_write(session, _LOCK)
    now = runtime.clock.now()
    _refuse_overlap(session, fields, now)
    window = MaintenanceWindow(
        **fields.model_dump(), over_at=_series(fields).over_at(), created_at=now, created_by=actor
    )
    session.add(window)
    session.flush()
    apply(session, runtime)
    _note(session, runtime, window, actor, "maintenance.create")
    return window


def end(session: Session, runtime: Runtime, window_id: str, *, actor: str) -> MaintenanceWindow:
    """End a window now and for good, or call it off before it began. Raises NotFound. The caller commits."""
    window = find(session, window_id)
    now = runtime.clock.now()
    _note(session, runtime, window, actor, "maintenance.end")
    if window.starts_at >= now:
        session.delete(window)
    elif phase(window, now) != "over":
        _close(window, now)
    session.flush()
    apply(session, runtime)
    return window


def skip(session: Session, runtime: Runtime, window_id: str, *, actor: str) -> MaintenanceWindow:
    """Of a window that repeats: end the time that is open, or leave the next one out. Raises NotFound and Invalid."""
    window = find(session, window_id)
    now = runtime.clock.now()
    coming = series_of(window).at(now)
    if not window.repeats or coming is None:
        text = Message.of(N_("It does not come again, so there is nothing to leave out: end it instead."))
        raise Invalid([Flaw("", "range", text)])
    window.skipped_until = coming.starts_at
    if series_of(window).at(now) is None:
        window.over_at = now
    _note(session, runtime, window, actor, "maintenance.skip")
    session.flush()
    apply(session, runtime)
    return window


def _close(window: MaintenanceWindow, now: datetime) -> None:
    """Nothing of it is open or comes any more."""
    if window.repeats:
        coming = series_of(window).at(now)
        window.skipped_until = coming.starts_at if coming and coming.is_open(now) else window.skipped_until
        window.repeat_until = now
    else:
        window.ends_at = now
    window.over_at = now


def find(session: Session, window_id: str) -> MaintenanceWindow:
    """One window; raises NotFound."""
    window = session.get(MaintenanceWindow, window_id)
    if window is None:
        raise NotFound(Message.of(N_("There is no such maintenance window.")), "NOT_FOUND")
    return window


def listed(session: Session, now: datetime, past: int = 20) -> Sequence[MaintenanceWindow]:
    """What is planned and under way, the next first, then some that are over, the last first."""
    coming = [(found, window) for window in _alive(session, now) if (found := series_of(window).at(now))]
    coming.sort(key=lambda pair: (pair[0].starts_at, pair[1].window_id))
    window = MaintenanceWindow
    over = select(window).where(window.over_at <= now).order_by(window.over_at.desc()).limit(past)
    return [*(window for _, window in coming), *session.scalars(over)]


def open_until(session: Session, now: datetime) -> list[tuple[MaintenanceWindow, datetime]]:
    """The windows that are open, each with when it ends."""
    found = [(window, series_of(window).at(now)) for window in _alive(session, now)]
    return [(window, one.ends_at) for window, one in found if one and one.is_open(now)]


def apply(session: Session, runtime: Runtime) -> None:
    """Tell the health of services whether they are under maintenance; the caller commits."""
    now = runtime.clock.now()
    until: dict[str, datetime] = {}
    for window, ends_at in open_until(session, now):
        for service_id in window.services or session.scalars(select(Service.service_id)):
            until[service_id] = max(until.get(service_id, ends_at), ends_at)
    health = select(ServiceHealth.service_id, ServiceHealth.maintenance_until)
    if not until:
        health = health.where(ServiceHealth.maintenance_until.is_not(None))
    known = {row.service_id: row.maintenance_until for row in session.execute(health)}
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


def _alive(session: Session, now: datetime) -> Sequence[MaintenanceWindow]:
    """The windows that are open or may be."""
    window = MaintenanceWindow
    return session.scalars(select(window).where(or_(window.over_at.is_(None), window.over_at > now))).all()


def _set(session: Session, service_id: str, until: datetime | None) -> None:
    session.execute(
        update(ServiceHealth).where(ServiceHealth.service_id == service_id).values(maintenance_until=until)
    )


def to_dict(window: MaintenanceWindow, now: datetime) -> dict[str, Any]:
    """A window as JSON; `next` is the time that is open or the one that comes."""
    coming = series_of(window).at(now)
    return {
        "window_id": window.window_id,
        "title": window.title,
        "services": list(window.services),
        "starts_at": moment(window.starts_at),
        "ends_at": moment(window.ends_at),
        "repeats": window.repeats,
        "time_zone": window.time_zone,
        "repeat_until": moment(window.repeat_until),
        "state": phase(window, now),
        "next": {"starts_at": moment(coming.starts_at), "ends_at": moment(coming.ends_at)}
        if coming
        else None,
        "created_at": moment(window.created_at),
        "created_by": window.created_by,
    }


def phase(window: MaintenanceWindow, now: datetime) -> str:
    """`planned`, `active` or `over`."""
    coming = series_of(window).at(now)
    if coming is None:
        return "over"
    return "active" if coming.is_open(now) else "planned"


def _checked(session: Session, runtime: Runtime, values: Mapping[str, Any]) -> WindowFields:
    try:
        fields = WindowFields.model_validate(dict(values))
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = _flaws_of_times(fields, runtime.clock.now())
    chosen = select(Service.service_id).where(
        Service.service_id.in_(fields.services), Service.deleted_at.is_(None)
    )
    known = set(session.scalars(chosen))
    if set(fields.services) - known:
        flaws.append(_flaw("services", N_("There is no such service.")))
    if flaws:
        raise Invalid(flaws)
    return fields


def _flaws_of_times(fields: WindowFields, now: datetime) -> list[Flaw]:
    """The first thing that is wrong with its times."""
    starts_at, ends_at, until = fields.starts_at, fields.ends_at, fields.repeat_until
    lasts = ends_at - starts_at
    period = timedelta(days=DAYS[fields.repeats]) if fields.repeats else timedelta.max
    checks = (
        (lasts <= timedelta(0), "ends_at", N_("It cannot end before it begins.")),
        (lasts > LONGEST, "ends_at", N_("A window may last 30 days at most.")),
        (starts_at > now + _FARTHEST, "starts_at", N_("It must begin within five years.")),
        (starts_at < now - LONGEST, "ends_at", N_("It would be over already.")),
        (not fields.repeats and ends_at <= now, "ends_at", N_("It would be over already.")),
        (lasts > period - _BETWEEN, "ends_at", N_("It must end an hour before it begins again.")),
        (until and not fields.repeats, "repeat_until", N_("Only a window that repeats has a last time.")),
        (until and until < starts_at, "repeat_until", N_("It cannot end before it begins.")),
        (until and until > now + 2 * _FARTHEST, "repeat_until", N_("It must end within ten years.")),
    )
    found = next(((name, text) for is_wrong, name, text in checks if is_wrong), None)
    if found is None and fields.time_zone not in available_timezones():
        found = ("time_zone", N_("There is no such time zone; use a name such as Asia/Shanghai."))
    if found is None and _series(fields).at(now) is None:
        found = ("repeat_until", N_("It would be over already."))
    return [_flaw(*found)] if found else []


def _series(fields: WindowFields) -> Series:
    return Series(fields.starts_at, fields.ends_at, fields.repeats, fields.time_zone, fields.repeat_until)


def _refuse_overlap(session: Session, fields: WindowFields, now: datetime) -> None:
    """Two windows over one service would disagree about when it ends."""
    series = _series(fields)
    for other in _alive(session, now):
        shared = not other.services or not fields.services or set(other.services) & set(fields.services)
        if shared and series.meets(series_of(other), now):
            message = Message.of(
                N_("It overlaps with the window %(title)s for the same service."), title=other.title
            )
            raise Invalid([Flaw.at("starts_at", code="overlap", message=message)])


def _flaw(name: str, text: str) -> Flaw:
    return Flaw.at(name, code="range", message=Message.of(text))


def _note(session: Session, runtime: Runtime, window: MaintenanceWindow, actor: str, action: str) -> None:
    detail = {
        "title": window.title, "services": list(window.services), "repeats": window.repeats,
        "ends_at": moment(window.ends_at),
    }  # fmt: skip
    audit.append(session, runtime, actor=actor, action=action, target=window.window_id, detail=detail)
