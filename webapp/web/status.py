"""The public status page: names and states, nothing else, and only once somebody switched it on."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.monitor import publishing
from webapp.web.access import actor, public, requires
from webapp.web.health_view import scheduler
from webapp.web.hx import notify
from webapp.web.page import page

blueprint = Blueprint("status", __name__, url_prefix="/status")
_BROKEN = {"down", "reauth"}


@blueprint.get("")
@public
def index() -> Response:
    """Names and states for strangers; 404 while it is off."""
    if not publishing.status_is_public(db.session()):
        abort(404)
    rows = publishing.statuses(db.session(), runtime())
    states = {state for _, state in rows}
    well = scheduler().alive and states <= {"healthy", "maintenance", "unknown"}
    return page(
        "status/index.html", "board", rows=rows, well=well, broken=states & _BROKEN, checked=scheduler().alive
    )


@blueprint.post("")
@requires(Verb.SERVICE_WRITE)
def switch() -> ResponseReturnValue:
    """Show or hide the page."""
    enabled = request.form.get("enabled") == "1"
    publishing.publish_status(db.session(), runtime(), enabled=enabled, actor=actor())
    db.session.commit()
    notify(
        gettext("The status page is public now.") if enabled else gettext("The status page is hidden now.")
    )
    return redirect(url_for("health.index"), 303)
