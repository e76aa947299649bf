"""The first visit: whoever holds the one-time link becomes the owner."""

from __future__ import annotations

from flask import Blueprint, url_for
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse
from wtforms import EmailField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from webapp.accounts import passwords, sessions, setup, users
from webapp.extensions import db, runtime
from webapp.web.access import public
from webapp.web.auth import enter
from webapp.web.i18n import LOCALES, say
from webapp.web.page import page
from webapp.web.strict import Form

blueprint = Blueprint("setup", __name__)


class SetupForm(Form):
    """Who the owner is."""

    name = StringField(_l("Your name"), render_kw={"autocomplete": "name", "maxlength": users.MAX_NAME})
    email = EmailField(
        _l("Email address"), render_kw={"autocomplete": "username", "maxlength": users.MAX_EMAIL}
    )
    password = PasswordField(_l("Password"), render_kw={"autocomplete": "new-password"})
    locale = SelectField(
        _l("Language"), choices=[SelectChoice(code, label) for code, label in LOCALES.items()]
    )


@blueprint.route("/setup/<token>", methods=["GET", "POST"])
@public
def start(token: str) -> BaseResponse:
    """Make the first owner and sign them in."""
    form = SetupForm(locale=str(get_locale()))
    try:
        setup.check(db.session(), runtime(), token)
        return _make_owner(form, token) if form.validate_on_submit() else _form_page(form, token)
    except setup.SetupRefused:
        db.session.rollback()
        return page("auth/setup_gone.html", None, 410, waits_for_owner=setup.needed(db.session()))


def _make_owner(form: SetupForm, token: str) -> BaseResponse:
    try:
        owner = setup.redeem(
            db.session(),
            runtime(),
            token,
            email=form.email.data or "",
            name=form.name.data or "",
            password=form.password.data or "",
            locale=form.locale.data,
        )
    except users.UserInvalid as invalid:
        db.session.rollback()
        for problem in invalid.problems:
            form[problem.field].errors = [*form[problem.field].errors, say(problem.message)]
        return _form_page(form, token)
    db.session.commit()
    sessions.begin(owner)
    return enter(owner, url_for("home.index"))


def _form_page(form: SetupForm, token: str) -> BaseResponse:
    status = 422 if form.is_submitted() else 200
    return page("auth/setup.html", "form", status, form=form, token=token, least=passwords.MIN_LENGTH)
