"""Passkeys: make one, name it, use it to come in or to confirm who one is, remove it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from adapters.kit import Message
from webapp.accounts import passkeys, recovery, second_factor, sessions, signin
from webapp.accounts.passkeys import PasskeyRefused
from webapp.extensions import db, runtime
from webapp.models.passkey import Passkey
from webapp.models.user import User
from webapp.web.access import before_enrolment, person, public, signed_in
from webapp.web.auth import enter
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.second_factor import codes_page, is_required
from webapp.web.security import safe_next
from webapp.web.step_up import confirmed_by, step_up
from webapp.web.strict import take_only

blueprint = Blueprint("passkeys", __name__)


@blueprint.get("/account/passkeys")
@signed_in
def index() -> Response:
    """The passkeys one has."""
    known = passkeys.of(db.session(), person())
    return page(
        "account/passkeys.html", passkeys=known, here=passkeys.site(runtime()), most=passkeys.MAX_NAME
    )


@blueprint.route("/account/passkeys/add", methods=["GET", "POST"])
@signed_in
@before_enrolment
@step_up
def add() -> BaseResponse:
    """Make one with the help of the browser, under a name."""
    if request.method == "GET":
        return _add_page()
    take_only({"name", "answer"})
    try:
        codes = _keep(request.form.get("name", ""), request.form.get("answer", ""))
    except PasskeyRefused as refused:
        db.session.rollback()
        return _add_page(refused.message)
    if codes:
        return codes_page(codes)
    notify(gettext("The passkey is added."))
    return redirect(safe_next(request.form.get("next")) or url_for(".index"), 303)


@blueprint.post("/account/passkeys/rename")
@signed_in
def rename() -> BaseResponse:
    """Call one otherwise."""
    take_only({"passkey", "name"})
    passkey = _mine(request.form.get("passkey", ""))
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > passkeys.MAX_NAME or not name.isprintable():
        abort(422)
    passkey.name = name
    db.session.commit()
    return redirect(url_for(".index"), 303)


@blueprint.post("/account/passkeys/remove")
@signed_in
@step_up
def remove() -> BaseResponse:
    """Forget one; the last step beside the password stays where the role demands one."""
    take_only({"passkey"})
    session, user = db.session(), db.session.get_one(User, person().user_id)
    passkey = _mine(request.form.get("passkey", ""))
    is_last = len(passkeys.of(session, user)) == 1 and not second_factor.has_app(session, user)
    if is_last and is_required(user):
        notify(gettext("Your role must have a second step: add another passkey or an app first."), "bad")
        return redirect(url_for(".index"), 303)
    passkeys.remove(session, runtime(), user, passkey)
    if is_last:
        recovery.forget(session, user)
    db.session.commit()
    notify(gettext("The passkey is removed."))
    return redirect(url_for(".index"), 303)


@blueprint.post("/login/passkey")
@public
def sign_in() -> BaseResponse:
    """Come in with a passkey alone."""
    take_only({"answer"})
    return _come_in(lambda answer: signin.by_passkey(runtime(), answer), "auth.login")


@blueprint.post("/login/code/passkey")
@public
def second_step() -> BaseResponse:
    """Come in with a passkey after the password."""
    take_only({"answer"})
    try:
        return _come_in(lambda answer: signin.finish_with_passkey(runtime(), answer), "auth.code")
    except signin.HalfwayGone:
        notify(gettext("That took too long. Please start again."), "warn")
        return redirect(url_for("auth.login", next=_target()), 303)


@blueprint.post("/confirm/passkey")
@signed_in
@before_enrolment
def confirm() -> BaseResponse:
    """Show again who one is, by a passkey."""
    take_only({"answer"})
    try:
        passkeys.check(runtime(), request.form.get("answer", ""), person())
    except PasskeyRefused as refused:
        notify(refused.message, "bad")
        return redirect(url_for("step_up.confirm", next=_target()), 303)
    confirmed_by("passkey")
    return redirect(_target(), 303)


def _come_in(prove: Callable[[str], User], back: str) -> BaseResponse:
    try:
        return enter(prove(request.form.get("answer", "")), _target())
    except PasskeyRefused as refused:
        notify(refused.message, "bad")
        return redirect(url_for(back, next=_target()), 303)


def _target() -> str:
    return safe_next(request.values.get("next")) or url_for("home.index")


def _keep(name: str, answer: str) -> list[str]:
    """Keep the new passkey; recovery codes come with the first second step of a person."""
    session, user = db.session(), db.session.get_one(User, person().user_id)
    is_first = not second_factor.has_factor(session, user)
    passkeys.add(session, runtime(), user, name, answer)
    codes: list[str] = []
    if is_first:
        sessions.end_all(session, user, but=sessions.current_id())
        codes = second_factor.renew_codes(session, runtime(), user)
    db.session.commit()
    return codes


def _mine(passkey_id: str) -> Passkey:
    found = db.session.get(Passkey, passkey_id)
    if found is None or found.user_id != person().user_id:
        abort(404)
    return found


def _add_page(error: Message | None = None) -> Response:
    user = db.session.get_one(User, person().user_id)
    return page(
        "account/add_passkey.html",
        None,
        422 if error else 200,
        options=passkeys.to_create(db.session(), runtime(), user),
        error=say(error),
        name=request.form.get("name", ""),
        must=sessions.lacks_factor(),
        target=safe_next(request.values.get("next")),
        most=passkeys.MAX_NAME,
    )
