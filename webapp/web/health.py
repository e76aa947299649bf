"""Health: is it us or them, since when, and who looks after it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.incident import Incident
from webapp.monitor import handling, selftest
from webapp.monitor.incidents import timeline
from webapp.registry.errors import Invalid, NotFound
from webapp.web import health_view
from webapp.web.access import actor, may, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """Every service at one glance; `wall=1` for a screen on the wall."""
    template = "health/wall.html" if request.args.get("wall") == "1" else "health/index.html"
    return page(template, "board", **health_view.board(request.args.get("range", "24h")))


@blueprint.get("/incidents/<incident_id>")
@requires(Verb.SERVICE_READ)
def incident(incident_id: str) -> Response:
    """One incident from its beginning on."""
    return _incident(_find(incident_id))


@blueprint.post("/incidents/<incident_id>/acknowledge")
@requires(Verb.SERVICE_TEST)
def acknowledge(incident_id: str) -> ResponseReturnValue:
    """Say that one looks after it."""
    handling.acknowledge(db.session(), runtime(), _find(incident_id), actor=actor())
    db.session.commit()
    notify(gettext("You look after it now; reminders stop."))
    return redirect(url_for(".incident", incident_id=incident_id), 303)


@blueprint.post("/incidents/<incident_id>/note")
@requires(Verb.SERVICE_TEST)
def note(incident_id: str) -> ResponseReturnValue:
    """Write down what one knows."""
    found = _find(incident_id)
    try:
        handling.write_note(db.session(), runtime(), found, request.form.get("note", ""), actor=actor())
    except Invalid as refused:
        db.session.rollback()
        return _incident(_find(incident_id), say(refused.errors[0].message))
    db.session.commit()
    return redirect(url_for(".incident", incident_id=incident_id), 303)


@blueprint.app_context_processor
def _helpers() -> dict[str, object]:
    return {
        "strip_label": health_view.strip_label,
        "stage_words": health_view.stage_words,
        "message_words": health_view.message_words,
        "check_tone": health_view.check_tone,
        "alert_watch": _alert_watch,
    }


def _alert_watch() -> selftest.Watch | None:
    """How the alerts themselves are, for those who can do something about it."""
    return selftest.watch(db.session()) if may(Verb.SYSTEM_READ) else None


def _find(incident_id: str) -> Incident:
    try:
        return handling.find(db.session(), incident_id)
    except NotFound:
        abort(404)


def _incident(found: Incident, error: str = "") -> Response:
    handling.refresh_affected(runtime(), found)
    db.session.commit()
    return page(
        "health/incident.html",
        status=422 if error else 200,
        incident=found,
        entries=timeline(db.session(), found.incident_id),
        words=health_view.ENTRIES,
        error=error,
        note=request.form.get("note", ""),
    )
