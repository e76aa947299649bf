"""One's own account: the password, the second step, and the browsers one is signed in with."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField

from webapp.accounts import browsers, passkeys, passwords, recovery, second_factor, sessions, signin, users
from webapp.extensions import db, runtime
from webapp.models.user import User
from webapp.web.access import person, signed_in
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.strict import Form

blueprint = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(Form):
    """The password of today and the one from now on."""

    current = PasswordField(_l("Your password now"), render_kw={"autocomplete": "current-password"})
    password = PasswordField(_l("New password"), render_kw={"autocomplete": "new-password"})


@blueprint.get("")
@signed_in
def index() -> Response:
    """How one signs in, and where one is signed in."""
    session, user = db.session(), person()
    return page(
        "account/index.html",
        browsers=browsers.open_sessions(session, runtime(), user),
        has_factor=second_factor.has_factor(session, user),
        has_app=second_factor.has_app(session, user),
        passkeys=passkeys.of(session, user),
        can_have_passkeys=passkeys.site(runtime()) is not None,
        codes_left=recovery.left(session, user),
    )


@blueprint.route("/password", methods=["GET", "POST"])
@signed_in
def password() -> BaseResponse:
    """Choose a new password; every other browser is signed out."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return _form_page(form)
    try:
        signin.confirm_password(runtime(), person(), form.current.data or "")
        _set(form.password.data or "")
    except second_factor.CodeRefused as refused:
        form.current.errors = [say(refused.message)]
    except users.UserInvalid as invalid:
        db.session.rollback()
        form.password.errors = [say(problem.message) for problem in invalid.problems]
    else:
        notify(gettext("Your password is changed. Every other browser was signed out."))
        return redirect(url_for(".index"), 303)
    return _form_page(form)


def _set(text: str) -> None:
    user = db.session.get_one(User, person().user_id)
    users.set_password(db.session(), runtime(), user, text, actor=user.email, keep=sessions.current_id())
    db.session.commit()
    sessions.step_up()


def _form_page(form: PasswordForm) -> Response:
    status = 422 if form.is_submitted() else 200
    return page("account/password.html", None, status, form=form, least=passwords.MIN_LENGTH)
