"""The browsers one is signed in with: sign one out, or all but this."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import browsers
from webapp.extensions import db, runtime
from webapp.web.access import person, signed_in
from webapp.web.hx import notify
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("my_sessions", __name__, url_prefix="/account/sessions")


@blueprint.post("/end")
@signed_in
@step_up
def end() -> BaseResponse:
    """Sign one browser out."""
    take_only({"handle"})
    if not browsers.end_one(db.session(), runtime(), person(), request.form.get("handle", "")):
        abort(404)
    db.session.commit()
    notify(gettext("That browser is signed out."))
    return redirect(url_for("account.index"), 303)


@blueprint.post("/end-others")
@signed_in
@step_up
def end_others() -> BaseResponse:
    """Sign every browser out but this."""
    take_only(())
    count = browsers.end_others(db.session(), runtime(), person())
    db.session.commit()
    notify(ngettext("%(num)s other browser is signed out.", "%(num)s other browsers are signed out.", count))
    return redirect(url_for("account.index"), 303)
