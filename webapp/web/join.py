"""The page behind a one-time link: choose a password, then come in."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField

from webapp.accounts import links, passwords, signin, users
from webapp.extensions import db, runtime
from webapp.models.user import User
from webapp.web.access import public
from webapp.web.auth import enter
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.strict import Form

blueprint = Blueprint("join", __name__)


class WelcomeForm(Form):
    """The password from now on."""

    password = PasswordField(_l("New password"), render_kw={"autocomplete": "new-password"})


@blueprint.route("/join/<token>", methods=["GET", "POST"])
@public
def welcome(token: str) -> BaseResponse:
    """Set the password, then sign in; a second step that is set up is still asked for."""
    form = WelcomeForm()
    try:
        user = links.holder(db.session(), runtime(), token)
        if not form.validate_on_submit():
            return _form_page(form, user, token)
        user = links.redeem(db.session(), runtime(), token, form.password.data or "")
    except links.LinkRefused:
        db.session.rollback()
        return page("auth/join_gone.html", None, 410)
    except users.UserInvalid as invalid:
        db.session.rollback()
        form.password.errors = [say(problem.message) for problem in invalid.problems]
        return _form_page(form, user, token)
    db.session.commit()
    return _come_in(user)


def _come_in(user: User) -> BaseResponse:
    try:
        signin.admit(runtime(), user)
    except signin.SecondFactorNeeded:
        return redirect(url_for("auth.code"), 303)
    return enter(user, url_for("home.index"))


def _form_page(form: WelcomeForm, user: User, token: str) -> BaseResponse:
    status = 422 if form.is_submitted() else 200
    return page("auth/join.html", None, status, form=form, user=user, token=token, least=passwords.MIN_LENGTH)
