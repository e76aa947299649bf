"""Making a failed call again from its page, after a warning."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, url_for
from flask.typing import ResponseReturnValue

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine import replay as replaying
from webapp.extensions import db, runtime
from webapp.log.entries import CallEntry
from webapp.registry.errors import Conflict, NotFound
from webapp.web.access import actor, may, requires
from webapp.web.hx import notify
from webapp.web.strict import take_only

blueprint = Blueprint("log_replay", __name__, url_prefix="/logs")

_SAID = {
    "succeeded": N_("The call was made again and succeeded."),
    "failed": N_("The call was made again and failed."),
    "unknown": N_("The call was made again, and nobody knows whether it was done."),
}


@blueprint.post("/<int:call_id>/replay")
@requires(Verb.CALL_WRITE)
def replay(call_id: int) -> ResponseReturnValue:
    """Make it again, and lead to the new call."""
    take_only(())
    who = actor()
    db.session.close()
    try:
        made = replaying.replay(runtime(), call_id, actor=who)
    except NotFound:
        abort(404)
    except Conflict as refused:
        notify(refused.message, "bad")
        return redirect(url_for("logs.show", call_id=call_id), 303)
    notify(Message.of(_SAID[made.outcome]), "ok" if made.outcome == "succeeded" else "warn")
    return redirect(url_for("logs.show", call_id=made.call_id), 303)


def context(call: CallEntry) -> dict[str, Any]:
    """What the page of a call says about making it again."""
    session = db.session()
    refused = replaying.refusal(session, runtime(), call)
    if not may(Verb.CALL_WRITE) and refused is None:
        refused = Message.of(N_("You may not make calls."))
    return {
        "replay_refused": refused,
        "replay_origin": replaying.origin(session, call.call_id),
        "replays": replaying.again(session, call.call_id),
    }
