"""Maintenance: times in which trouble is expected and nobody is alarmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.service import Service
from webapp.monitor import windows
from webapp.monitor.occurrences import Occurrence, series_of
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say, zone_name
from webapp.web.page import page

blueprint = Blueprint("maintenance", __name__, url_prefix="/health/maintenance")
REPEATS: Mapping[str, str] = {
    "": N_("Once"),
    "daily": N_("Every day"),
    "weekly": N_("Every week"),
    "monthly": N_("Every month"),
}
_RHYTHMS: Mapping[str, str] = {
    "daily": N_("Every day from %(start)s to %(end)s (%(zone)s)"),
    "weekly": N_("Every week, this day from %(start)s to %(end)s (%(zone)s)"),
    "monthly": N_("Every month, on day %(day)s from %(start)s to %(end)s (%(zone)s)"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A window as it is listed: the time that is open or comes, or the last one."""

    window: MaintenanceWindow
    phase: str
    shown: Occurrence
    rhythm: str


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """What is planned, under way and over, and a form for the next."""
    return _page({})


@blueprint.post("")
@requires(Verb.SERVICE_SWITCH)
def create() -> ResponseReturnValue:
    """Plan a window; its times are those of the reader's zone."""
    form = request.form
    values = {
        "title": form.get("title", "").strip(),
        "services": form.getlist("services"),
        **{name: _moment(form.get(name, "")) for name in ("starts_at", "ends_at")},
        "repeats": form.get("repeats") or None,
        "time_zone": zone_name(),
        "repeat_until": _last_moment(form.get("repeat_until", "").strip()),
    }
    try:
        windows.create(db.session(), runtime(), values, actor=actor())
    except Invalid as refused:
        db.session.rollback()
        return _page(form, refused.errors)
    return _done(gettext("The maintenance window is planned."))


@blueprint.post("/<window_id>/skip")
@requires(Verb.SERVICE_SWITCH)
def skip(window_id: str) -> ResponseReturnValue:
    """End the time that is open, or leave the next one out; those after it stay."""
    try:
        windows.skip(db.session(), runtime(), window_id, actor=actor())
    except NotFound:
        abort(404)
    except Invalid as refused:
        db.session.rollback()
        notify(refused.errors[0].message, "bad")
        return redirect(url_for(".index"), 303)
    return _done(gettext("This time is left out; the next one stays."))


@blueprint.post("/<window_id>/end")
@requires(Verb.SERVICE_SWITCH)
def end(window_id: str) -> ResponseReturnValue:
    """End it now, or call it off."""
    try:
        windows.end(db.session(), runtime(), window_id, actor=actor())
    except NotFound:
        abort(404)
    return _done(gettext("The maintenance window is over."))


def _done(text: str) -> ResponseReturnValue:
    db.session.commit()
    notify(text)
    return redirect(url_for(".index"), 303)


def _page(values: Mapping[str, Any], flaws: Iterable[Flaw] = ()) -> Response:
    now = runtime().clock.now()
    errors: dict[str, str] = {}
    for flaw in flaws:
        errors.setdefault(flaw.pointer.removeprefix("/").partition("/")[0], say(flaw.message))
    query = select(Service.service_id, Service.service_name).where(Service.deleted_at.is_(None))
    return page(
        "maintenance/index.html",
        status=422 if errors else 200,
        windows=[_row(one, now) for one in windows.listed(db.session(), now)],
        repeats=[(key, say(label)) for key, label in REPEATS.items()],
        services={
            row.service_id: row.service_name for row in db.session.execute(query.order_by(Service.name_key))
        },
        values=values,
        chosen=request.form.getlist("services"),
        errors=errors,
        summary=[(f"f-{name}", text) for name, text in errors.items()],
        zone=zone_name(),
    )


def _row(window: MaintenanceWindow, now: datetime) -> Row:
    coming = series_of(window).at(now)
    shown = coming or Occurrence(window.starts_at, window.over_at or window.ends_at)
    return Row(window, windows.phase(window, now), shown, _rhythm(window))


def _rhythm(window: MaintenanceWindow) -> str:
    """When it comes again, as one would say it; empty when it does not."""
    if window.repeats is None:
        return ""
    first, last = (
        moment.astimezone(ZoneInfo(window.time_zone)) for moment in (window.starts_at, window.ends_at)
    )
    values = {
        "start": f"{first:%H:%M}", "end": f"{last:%H:%M}", "zone": window.time_zone, "day": first.day,
    }  # fmt: skip
    return say(Message.of(_RHYTHMS[window.repeats], **values))


def _last_moment(text: str) -> datetime | str | None:
    """The end of the last day, in the reader's zone."""
    found = _moment(text) if text else None
    return datetime.combine(found, time.max, found.tzinfo) if isinstance(found, datetime) else found


def _moment(text: str) -> datetime | str:
    """What a field for date and time sends, in the reader's zone; nonsense stays text and is refused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone_name()))
