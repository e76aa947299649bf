"""Maintenance: times in which trouble is expected and nobody is alarmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.monitor import windows
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say, zone_name
from webapp.web.page import page

blueprint = Blueprint("maintenance", __name__, url_prefix="/health/maintenance")


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
    }
    try:
        windows.create(db.session(), runtime(), values, actor=actor())
    except Invalid as refused:
        db.session.rollback()
        return _page(form, refused.errors)
    return _done(gettext("The maintenance window is planned."))


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
        windows=[(one, windows.phase(one, now)) for one in windows.listed(db.session(), now)],
        services={
            row.service_id: row.service_name for row in db.session.execute(query.order_by(Service.name_key))
        },
        values=values,
        chosen=request.form.getlist("services"),
        errors=errors,
        summary=[(f"f-{name}", text) for name, text in errors.items()],
        zone=zone_name(),
    )


def _moment(text: str) -> datetime | str:
    """What a field for date and time sends, in the reader's zone; nonsense stays text and is refused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone_name()))
