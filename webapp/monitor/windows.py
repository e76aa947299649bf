"""Maintenance windows: made, ended, and told to the health of the services they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.db import begin_write
from webapp.models.health import ServiceHealth
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.claims import claim
from webapp.monitor.occurrences import Series, series_of
from webapp.monitor.window_fields import checked, series
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.shape import moment
from webapp.vault import audit

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_LOCK = "maintenance"
_GONE = N_("There is no such maintenance window.")
_TIMES = ("starts_at", "ends_at", "repeats", "time_zone")


def create(session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str) -> MaintenanceWindow:
    """Plan a window. Raises Invalid, also when it overlaps with another one. The caller commits."""
    fields = checked(session, runtime, values)
    begin_write(session, _LOCK)
    now = runtime.clock.now()
    _refuse_overlap(session, series(fields), fields.services, now)
    window = MaintenanceWindow(
        **fields.model_dump(), over_at=series(fields).over_at(), created_at=now, created_by=actor
    )
    session.add(window)
    session.flush()
    apply(session, runtime)
    _note(session, runtime, window, actor, "maintenance.create")
    return window


def change(
    session: Session,
    runtime: Runtime,
    window_id: str,
    values: Mapping[str, Any],
    *,
    actor: str,
    expected_revision: int | None = None,
) -> MaintenanceWindow:
    """Replace what a window is, planned or open. Raises as `create`, NotFound and Stale. The caller commits."""
    window = find(session, window_id)
    fields, now = checked(session, runtime, values, began=window.starts_at), runtime.clock.now()
    _claim(session, window, expected_revision)
    if phase(window, now) == "over":
        raise Invalid([Flaw("", "range", Message.of(N_("It is over already: plan another one.")))])
    # A time that was left out, or ended early, stays so while the times are the same.
    same = all(getattr(window, name) == getattr(fields, name) for name in _TIMES)
    skipped = window.skipped_until if same else None
    wanted = replace(series(fields), skipped_until=skipped)
    _refuse_overlap(session, wanted, fields.services, now, but=window.window_id)
    for name, value in fields.model_dump().items():
        setattr(window, name, value)
    window.skipped_until, window.over_at = skipped, series(fields).over_at()
    _note(session, runtime, window, actor, "maintenance.change")
    session.flush()
    apply(session, runtime)
    return window


def end(
    session: Session,
    runtime: Runtime,
    window_id: str,
    *,
    actor: str,
    expected_revision: int | None = None,
) -> MaintenanceWindow:
    """End a window now and for good, or call it off before it began. Raises NotFound and Stale. The caller commits."""
    window = find(session, window_id)
    _claim(session, window, expected_revision)
    now = runtime.clock.now()
    _note(session, runtime, window, actor, "maintenance.end")
    if window.starts_at >= now:
        session.delete(window)
    elif phase(window, now) != "over":
        _close(window, now)
    session.flush()
    apply(session, runtime)
    return window


def skip(
    session: Session,
    runtime: Runtime,
    window_id: str,
    *,
    actor: str,
    expected_revision: int | None = None,
) -> MaintenanceWindow:
    """Of a window that repeats: end the time that is open, or leave the next one out. Raises as `end`, and Invalid."""
    window = find(session, window_id)
    _claim(session, window, expected_revision)
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
        raise NotFound(Message.of(_GONE), "NOT_FOUND")
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
        "revision": window.revision,
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


def _refuse_overlap(
    session: Session, wanted: Series, services: Sequence[str], now: datetime, but: str | None = None
) -> None:
    """Two windows over one service would disagree about when it ends."""
    for other in _alive(session, now):
        shared = not other.services or not services or set(other.services) & set(services)
        if other.window_id != but and shared and wanted.meets(series_of(other), now):
            message = Message.of(
                N_("It overlaps with the window %(title)s for the same service."), title=other.title
            )
            raise Invalid([Flaw.at("starts_at", code="overlap", message=message)])


def _claim(session: Session, window: MaintenanceWindow, expected: int | None) -> None:
    claim(session, window, expected, lock=_LOCK, gone=_GONE)


def _note(session: Session, runtime: Runtime, window: MaintenanceWindow, actor: str, action: str) -> None:
    detail = {
        "title": window.title, "services": list(window.services), "repeats": window.repeats,
        "ends_at": moment(window.ends_at),
    }  # fmt: skip
    audit.append(session, runtime, actor=actor, action=action, target=window.window_id, detail=detail)
