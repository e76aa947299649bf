"""API tokens: what programs sign their requests with; shown once, revoked at once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, redirect, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse
from wtforms import SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.widgets import CheckboxInput, ListWidget

from adapters.kit import Message, N_
from webapp.accounts import tokens
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.token import ApiToken
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.step_up import step_up
from webapp.web.strict import Form, take_only

blueprint = Blueprint("tokens", __name__, url_prefix="/settings/tokens")

DAYS = (7, 30, 90, 180, 365)
SCOPE_LEADS = {
    "services:read": N_("See services, routes and their history"),
    "services:write": N_("Add, change and delete services and routes, secrets included"),
    "services:test": N_("Test connections"),
    "logs:read": N_("Read the log of calls"),
    "logs:read_payload": N_("Read what was sent and received"),
    "calls:write": N_("Make calls"),
    "calls:read": N_("See how calls ended"),
    "health:read": N_("See which services are healthy"),
    "links:read": N_("See which accounts people have linked"),
    "links:write": N_("End linked accounts, and ask people to sign in again"),
    "links:use": N_("Act on behalf of people with their linked accounts"),
}


class TokenForm(Form):
    """What a program may do, how long and from where."""

    name = StringField(_l("Name"), render_kw={"maxlength": tokens.MAX_NAME, "autocomplete": "off"})
    scopes = SelectMultipleField(
        _l("Scopes"),
        choices=[SelectChoice(scope, scope) for scope in tokens.SCOPES],
        validate_choice=False,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = SelectField(_l("Ends after"), coerce=int, default=tokens.DEFAULT_DAYS)
    networks = TextAreaField(
        _l("Only from these networks"), render_kw={"rows": 2, "spellcheck": "false", "maxlength": 2000}
    )


@blueprint.get("")
@requires(Verb.TOKEN_MANAGE)
def index() -> Response:
    """List the tokens, those that work first."""
    now = runtime().clock.now()
    found = db.session.scalars(select(ApiToken).order_by(ApiToken.created_at.desc())).all()
    states = {token.token_id: _state(token, now) for token in found}
    ordered = sorted(found, key=lambda token: states[token.token_id] != "active")
    return page("tokens/index.html", tokens=ordered, states=states)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Verb.TOKEN_MANAGE)
@step_up
def create() -> BaseResponse:
    """Make a token and show it, once."""
    form = TokenForm()
    form.days.choices = [SelectChoice(days, ngettext("%(num)s day", "%(num)s days", days)) for days in DAYS]
    if not form.validate_on_submit():
        return _form_page(form)
    try:
        token, text = _issue(form)
    except tokens.TokenInvalid as invalid:
        db.session.rollback()
        field = form["days" if invalid.field == "expires_days" else invalid.field]
        field.errors = [say(invalid.message)]
        return _form_page(form)
    db.session.commit()
    return page("tokens/made.html", token=token, text=text)


@blueprint.post("/<token_id>/revoke")
@requires(Verb.TOKEN_MANAGE)
@step_up
def revoke(token_id: str) -> BaseResponse:
    """End a token at once."""
    take_only(())
    token = db.session.get(ApiToken, token_id) or abort(404)
    tokens.revoke(db.session(), runtime(), token, actor=actor())
    db.session.commit()
    notify(Message.of(N_("%(name)s is revoked; it opens nothing any more."), name=token.name))
    return redirect(url_for(".index"), 303)


def _issue(form: TokenForm) -> tuple[ApiToken, str]:
    return tokens.issue(
        db.session(),
        runtime(),
        name=form.name.data or "",
        scopes=form.scopes.data or (),
        created_by=actor(),
        expires_days=form.days.data,
        networks=(form.networks.data or "").replace(",", " ").split(),
    )


def _state(token: ApiToken, now: Any) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "active"


def _form_page(form: TokenForm) -> Response:
    leads = {scope: gettext(lead) for scope, lead in SCOPE_LEADS.items()}
    return page("tokens/new.html", None, 422 if form.is_submitted() else 200, form=form, leads=leads)
