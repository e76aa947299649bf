"""The second step of signing in: set it up with an app, keep recovery codes, replace it, remove it."""

from __future__ import annotations

import segno
from flask import Blueprint, Response, abort, redirect, request, url_for
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from adapters.kit import Message
from webapp.accounts import passkeys, recovery, second_factor, sessions
from webapp.accounts.roles import PRIVILEGED
from webapp.extensions import db, runtime
from webapp.models.user import User
from webapp.vault import KeysLocked
from webapp.web.access import before_enrolment, person, signed_in
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.security import safe_next
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("second_factor", __name__, url_prefix="/account/second-step")

_BLOCK = 4  # characters of the seed that stand together, to type it in


@blueprint.get("")
@signed_in
@before_enrolment
def index() -> BaseResponse:
    """Say whether there is a second step; who must have one begins at once."""
    session, user = db.session(), person()
    if sessions.lacks_factor():
        return redirect(url_for(".add", next=safe_next(request.args.get("next"))), 303)
    return page(
        "account/second_factor.html",
        has_factor=second_factor.has_factor(session, user),
        has_app=second_factor.has_app(session, user),
        passkeys=passkeys.of(session, user),
        codes_left=recovery.left(session, user),
        required=is_required(user),
    )


@blueprint.route("/add", methods=["GET", "POST"])
@signed_in
@before_enrolment
@step_up
def add() -> BaseResponse:
    """Show the picture for the app, then take the first code it makes."""
    user = db.session.get_one(User, person().user_id)
    if request.method == "GET":
        return _picture(user)
    take_only({"code"})
    try:
        codes = second_factor.confirm(db.session(), runtime(), user, request.form.get("code", ""))
    except second_factor.CodeRefused as refused:
        db.session.rollback()
        return _picture(user, refused.message)
    db.session.commit()
    return codes_page(codes)


@blueprint.post("/codes")
@signed_in
@step_up
def codes() -> BaseResponse:
    """Show ten new recovery codes, once; those before stop working."""
    take_only(())
    user = db.session.get_one(User, person().user_id)
    if not second_factor.has_factor(db.session(), user):
        abort(409)
    fresh = second_factor.renew_codes(db.session(), runtime(), user)
    db.session.commit()
    return codes_page(fresh)


@blueprint.post("/remove")
@signed_in
@step_up
def remove() -> BaseResponse:
    """Sign in by password alone from now on; not for roles that must have a second step."""
    take_only(())
    user = db.session.get_one(User, person().user_id)
    if is_required(user):
        abort(403)
    second_factor.remove(db.session(), runtime(), user, actor=user.email)
    db.session.commit()
    notify(gettext("The second step is removed."))
    return redirect(url_for(".index"), 303)


def picture_of(address: str) -> Markup:
    """Draw what an app reads as a QR code; dark on light in either theme, or cameras would not see it."""
    code = segno.make(address, error="m")
    drawn = code.svg_inline(omitsize=True, border=4, light="#fff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - made of squares, by us


def _picture(user: User, error: Message | None = None) -> Response:
    try:
        enrolment = second_factor.enrolment(db.session(), runtime(), user)
    except KeysLocked:
        db.session.rollback()
        abort(503)
    db.session.commit()
    seed = enrolment.seed
    return page(
        "account/add_factor.html",
        None,
        422 if error else 200,
        picture=picture_of(enrolment.address),
        seed=" ".join(seed[start : start + _BLOCK] for start in range(0, len(seed), _BLOCK)),
        error=say(error),
        must=sessions.lacks_factor(),
        target=safe_next(request.values.get("next")),
        has_passkeys=passkeys.site(runtime()) is not None,
    )


def codes_page(codes: list[str]) -> Response:
    """Show recovery codes, once."""
    target = safe_next(request.values.get("next")) or url_for("account.index")
    return page("account/codes.html", codes=codes, target=target)


def is_required(user: User) -> bool:
    """Tell whether the role of a person must have a second step."""
    return runtime().config.require_mfa and user.role in PRIVILEGED
