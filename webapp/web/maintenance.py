"""Maintenance: times in which trouble is expected and nobody is alarmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.maintenance import MaintenanceWindow
from webapp.models.service import Service
from webapp.monitor import windows
from webapp.registry.errors import Flaw, Invalid, NotFound, RegistryError, Stale
from webapp.web import maintenance_words as words
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say, zone_name
from webapp.web.page import page
from webapp.web.revision import seen_revision

blueprint = Blueprint("maintenance", __name__, url_prefix="/health/maintenance")


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """What is planned, under way and over, and a form for the next."""
    return _list({})


@blueprint.post("")
@requires(Verb.SERVICE_SWITCH)
def create() -> ResponseReturnValue:
    """Plan a window."""
    try:
        windows.create(db.session(), runtime(), words.values_of(request.form), actor=actor())
    except Invalid as refused:
        db.session.rollback()
        return _list(request.form, refused.errors)
    return _done(gettext("The maintenance window is planned."))


@blueprint.get("/<window_id>")
@requires(Verb.SERVICE_SWITCH)
def edit(window_id: str) -> Response:
    """The form of a window that is planned or open."""
    window = _find(window_id)
    return _edit(window, words.stored_form(window), window.services, words.zone_of(window))


@blueprint.post("/<window_id>")
@requires(Verb.SERVICE_SWITCH)
def change(window_id: str) -> ResponseReturnValue:
    """Change it; what somebody else changed meanwhile is not overwritten unseen."""
    values = words.values_of(request.form, _find(window_id))
    try:
        seen = seen_revision()
        windows.change(db.session(), runtime(), window_id, values, actor=actor(), expected_revision=seen)
    except (Invalid, Stale) as refused:
        db.session.rollback()
        flaws = refused.errors if isinstance(refused, Invalid) else ()
        given, zone = request.form.getlist("services"), words.form_zone(request.form)
        return _edit(_find(window_id), request.form, given, zone, flaws, stale=isinstance(refused, Stale))
    return _done(gettext("The maintenance window was changed."))


@blueprint.post("/<window_id>/skip")
@requires(Verb.SERVICE_SWITCH)
def skip(window_id: str) -> ResponseReturnValue:
    """End the time that is open, or leave the next one out; those after it stay."""
    _find(window_id)
    try:
        windows.skip(db.session(), runtime(), window_id, actor=actor(), expected_revision=seen_revision())
    except (Invalid, Stale) as refused:
        return _refused(refused)
    return _done(gettext("This time is left out; the next one stays."))


@blueprint.post("/<window_id>/end")
@requires(Verb.SERVICE_SWITCH)
def end(window_id: str) -> ResponseReturnValue:
    """End it now, or call it off."""
    _find(window_id)
    try:
        windows.end(db.session(), runtime(), window_id, actor=actor(), expected_revision=seen_revision())
    except Stale as refused:
        return _refused(refused)
    return _done(gettext("The maintenance window is over."))


def _find(window_id: str) -> MaintenanceWindow:
    try:
        return windows.find(db.session(), window_id)
    except NotFound:
        abort(404)


def _done(text: str) -> ResponseReturnValue:
    db.session.commit()
    notify(text)
    return redirect(url_for(".index"), 303)


def _refused(refused: RegistryError) -> ResponseReturnValue:
    db.session.rollback()
    notify(refused.errors[0].message if refused.errors else refused.message, "bad")
    return redirect(url_for(".index"), 303)


def _list(values: Mapping[str, Any], flaws: Iterable[Flaw] = ()) -> Response:
    now = runtime().clock.now()
    zone = words.form_zone(values) if values else zone_name()
    return page(
        "maintenance/index.html",
        windows=[words.row_of(one, now) for one in windows.listed(db.session(), now)],
        **_form(values, request.form.getlist("services"), zone, flaws),
    )


def _edit(
    window: MaintenanceWindow,
    values: Mapping[str, Any],
    chosen: Sequence[str],
    zone: str,
    flaws: Iterable[Flaw] = (),
    *,
    stale: bool = False,
) -> Response:
    row = words.row_of(window, runtime().clock.now())
    context = _form(values, chosen, zone, flaws)
    context["status"] = 409 if stale else context["status"]
    return page("maintenance/edit.html", window=window, phase=row.phase, stale=stale, **context)


def _form(
    values: Mapping[str, Any], chosen: Sequence[str], zone: str, flaws: Iterable[Flaw]
) -> dict[str, Any]:
    """What the form of a window needs, and the status of its page."""
    errors: dict[str, str] = {}
    for flaw in flaws:
        errors.setdefault(flaw.pointer.removeprefix("/").partition("/")[0], say(flaw.message))
    query = select(Service.service_id, Service.service_name).where(Service.deleted_at.is_(None))
    found = db.session.execute(query.order_by(Service.name_key))
    return {
        "status": 422 if errors else 200,
        "repeats": [(key, say(label)) for key, label in words.REPEATS.items()],
        "services": {row.service_id: row.service_name for row in found},
        "values": values,
        "chosen": chosen,
        "errors": errors,
        "summary": [(f"f-{name}" if name else "", text) for name, text in errors.items()],
        "zone": zone,
    }
