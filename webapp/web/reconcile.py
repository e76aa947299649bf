"""The reconcile list: calls that may have been done or not, and saying what became of them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine import reconcile, settling
from webapp.engine.codes import CODES
from webapp.engine.reconcile import STATES, ReconcileFilter
from webapp.extensions import db, runtime
from webapp.ids import moment_of
from webapp.models.reconcile import OPEN
from webapp.models.service import Service
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page

blueprint = Blueprint("reconcile", __name__, url_prefix="/reconcile")

STATE_LABELS: Mapping[str, str] = {
    "open": N_("Not clear yet"),
    "waiting": N_("The service is asked"),
    "needs_attention": N_("Needs attention"),
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "resent": N_("Sent once more"),
}
_RESENT = {
    "succeeded": N_("It was sent once more, and the service did it."),
    "failed": N_("It was sent once more, and certainly nothing was done. The question is still open."),
    "unknown": N_("It was sent once more, and again nobody knows: the new call is on this list."),
}


@blueprint.get("")
@requires(Verb.LOG_READ)
def index() -> Response:
    """List the calls nobody knows about; the URL is the search."""
    wanted = _wanted()
    items, before = reconcile.search(db.session(), wanted)
    return page(
        "reconcile/index.html",
        "results",
        items=items,
        next_cursor=str(before) if before else None,
        wanted=wanted,
        states=[("all", gettext("All")), *((name, say(label)) for name, label in STATE_LABELS.items())],
        services=_services(),
        began=moment_of,
        filtered=wanted.state != "open" or wanted.service_id or wanted.operation or wanted.before,
    )


@blueprint.get("/<int:call_id>")
@requires(Verb.LOG_READ)
def show(call_id: int) -> Response:
    """Show one, with what can be said about it."""
    return _page(call_id)


@blueprint.post("/<int:call_id>/decide")
@requires(Verb.CALL_WRITE)
def decide(call_id: int) -> ResponseReturnValue:
    """Say that a call succeeded or failed."""
    note, outcome = request.form.get("note", ""), request.form.get("outcome", "")
    try:
        settling.decide(db.session(), runtime(), call_id, outcome, note=note, actor=actor())
        db.session.commit()
    except (Invalid, Conflict, NotFound) as refused:
        return _refused(call_id, refused, "decide")
    notify(gettext("It is noted what became of the call."))
    return redirect(url_for(".index"), 303)


@blueprint.post("/<int:call_id>/resend")
@requires(Verb.CALL_WRITE)
def resend(call_id: int) -> ResponseReturnValue:
    """Send what a call asked for once more, as a new call."""
    note, accepted = request.form.get("note", ""), "accept_duplicate" in request.form
    who = actor()
    db.session.close()
    try:
        sent = settling.resend(runtime(), call_id, note=note, actor=who, accept_duplicate=accepted)
    except (Invalid, Conflict, NotFound) as refused:
        return _refused(call_id, refused, "resend")
    notify(Message.of(_RESENT[sent.outcome]), "ok" if sent.outcome == "succeeded" else "warn")
    return redirect(url_for(".show", call_id=call_id), 303)


def _refused(call_id: int, refused: Invalid | Conflict | NotFound, form: str) -> ResponseReturnValue:
    db.session.rollback()
    if isinstance(refused, NotFound):
        abort(404)
    if isinstance(refused, Conflict):
        notify(refused.message, "bad")
        return redirect(url_for(".show", call_id=call_id), 303)
    return _page(call_id, form, refused.errors)


def _page(call_id: int, form: str = "", errors: tuple[Flaw, ...] = ()) -> Response:
    item = reconcile.find(db.session(), call_id)
    if item is None:
        abort(404)
    said = item.lookup_message
    return page(
        "reconcile/show.html",
        status=422 if errors else 200,
        item=item,
        is_open=item.state in OPEN,
        service=_services().get(item.service_id or ""),
        cause=CODES.get(item.code or ""),
        said=Message(said["msgid"], said["values"]) if said else None,
        began=moment_of(call_id),
        form=form,
        values=request.form,
        errors={flaw.field: flaw.message for flaw in errors},
        summary=[(f"f-{form}-{flaw.field}", say(flaw.message)) for flaw in errors],
        note_max=settling.NOTE_MAX,
    )


def _wanted() -> ReconcileFilter:
    """The filters of the URL; what is not understood is left out, and open ones come first."""
    given = request.args
    state = given.get("state", "open")
    cursor = given.get("cursor", "")
    return ReconcileFilter(
        state=state if state in {"open", *STATES} else None,
        service_id=given.get("service_id") or None,
        operation=given.get("operation", "").strip() or None,
        before=int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 20 else None,  # noqa: PLR2004
    )


def _services() -> Mapping[str, str]:
    """Names by id, of deleted services too."""
    rows = db.session.execute(select(Service.service_id, Service.service_name).order_by(Service.name_key))
    return {row.service_id: row.service_name for row in rows}
