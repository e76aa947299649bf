"""Sign-in and sign-out."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse
from wtforms import EmailField, PasswordField

from webapp.accounts import passkeys, second_factor, setup, signin
from webapp.accounts.second_factor import CodeRefused
from webapp.extensions import db, runtime
from webapp.models.user import User
from webapp.web import preferences
from webapp.web.access import before_enrolment, person, public, signed_in
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.security import safe_next
from webapp.web.strict import Form, take_only

blueprint = Blueprint("auth", __name__)


class SignInForm(Form):
    """Who signs in."""

    email = EmailField(
        _l("Email address"),
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(_l("Password"), render_kw={"autocomplete": "current-password"})


@blueprint.route("/login", methods=["GET", "POST"])
@public
def login() -> BaseResponse:
    """Sign in, then go where one was going."""
    target = safe_next(request.values.get("next")) or url_for("home.index")
    if current_user.is_authenticated and request.method == "GET":
        return redirect(target, 303)
    form = SignInForm()
    if form.is_submitted():
        return _sign_in(form, target)
    return _login_page(form, target)


@blueprint.route("/login/code", methods=["GET", "POST"])
@public
def code() -> BaseResponse:
    """Ask for the second factor of whoever gave the right password."""
    target = safe_next(request.values.get("next")) or url_for("home.index")
    try:
        user = signin.halfway(runtime())
        if request.method == "GET":
            return _code_page(user, target)
        take_only({"code"})
        return enter(signin.finish(runtime(), request.form.get("code", "")), target)
    except signin.HalfwayGone:
        notify(gettext("That took too long. Please start again."), "warn")
        return redirect(url_for(".login", next=target), 303)
    except CodeRefused as refused:
        return _refused_code(refused, signin.halfway(runtime()), target)


@blueprint.post("/logout")
@signed_in
@before_enrolment
def logout() -> BaseResponse:
    """Sign out; what this browser kept of our pages goes as well."""
    signin.sign_out(runtime(), person())
    notify(gettext("You are signed out."))
    response = redirect(url_for("auth.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def enter(user: User, target: str) -> BaseResponse:
    """Answer a person who has just come in: on to the page, with the looks they chose elsewhere."""
    response = redirect(target, 303)
    signin.remember_browser(response, user)
    preferences.carry_over(response, user)
    return response


def _code_page(user: User, target: str, error: str = "", status: int = 200) -> Response:
    known = passkeys.of(db.session(), user)
    return page(
        "auth/code.html",
        None,
        status,
        target=target,
        error=error,
        options=passkeys.to_use(runtime(), known) if known else None,
        has_app=second_factor.has_app(db.session(), user),
    )


def _refused_code(refused: CodeRefused, user: User, target: str) -> Response:
    response = _code_page(user, target, say(refused.message), 429 if refused.wait else 422)
    if refused.wait:
        response.headers["Retry-After"] = str(refused.wait)
    return response


def _sign_in(form: SignInForm, target: str) -> BaseResponse:
    try:
        user = signin.sign_in(runtime(), form.email.data or "", form.password.data or "")
    except signin.SecondFactorNeeded:
        return redirect(url_for(".code", next=target), 303)
    except signin.SignInRefused as refused:
        response = _login_page(form, target, error=say(refused.message), status=429 if refused.wait else 422)
        if refused.wait:
            response.headers["Retry-After"] = str(refused.wait)
        return response
    return enter(user, target)


def _login_page(form: SignInForm, target: str, error: str = "", status: int = 200) -> Response:
    waits = setup.needed(db.session())
    return page(
        "auth/login.html",
        None,
        status,
        form=form,
        target=target,
        error=error,
        waits_for_owner=waits,
        provider=runtime().config.oidc,
        options=passkeys.to_use(runtime()),
    )
