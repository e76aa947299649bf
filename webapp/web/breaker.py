"""The protection of one service: breaker and quotas as they stand, and an operator's word about the breaker."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Flask, Response, url_for
from flask_babel import gettext
from flask_wtf import FlaskForm
from pydantic import ValidationError
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine.overrides import Order, give
from webapp.engine.standing import Spending, standing
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry.fields import flaws_of
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_pages import about, go, load

blueprint = Blueprint("breaker", __name__, url_prefix="/settings/integrations")

_REASONS = {
    "consecutive": N_("Failed five times in a row"),
    "failures": N_("Half of the calls failed"),
    "slow": N_("Most calls were slow"),
    "probe": N_("The pause is over"),
    "probe_failed": N_("A trial call failed"),
    "stuck": N_("The trial calls brought no answer"),
    "recovered": N_("The trial calls succeeded"),
}
_DONE = {
    "open": N_("%(name)s is taken out of use."),
    "close": N_("Every call is passed to %(name)s, whatever happens."),
    "reset": N_("The breaker of %(name)s begins anew."),
}
_WINDOWS = {
    "calls": {
        "minute": N_("Calls this minute"),
        "hour": N_("Calls this hour"),
        "day": N_("Calls today"),
        "rolling_day": N_("Calls in 24 hours"),
        "month": N_("Calls this month"),
    },
    "money": {
        "minute": N_("Cost of this minute"),
        "hour": N_("Cost of this hour"),
        "day": N_("Cost of today"),
        "rolling_day": N_("Cost of 24 hours"),
        "month": N_("Cost of this month"),
    },
}


@blueprint.record_once
def _offer_words(state: object) -> None:
    """Let the card on the page of a service use the same words."""
    app: Flask = state.app  # type: ignore[attr-defined]
    app.jinja_env.globals |= {"quota_words": quota_words, "reason_words": reason_words}


@blueprint.get("/<service_id>/breaker")
@requires(Verb.SERVICE_READ)
def show(service_id: str) -> Response:
    """How the service stands at its gates."""
    return _page(load(service_id), _form())


@blueprint.post("/<service_id>/breaker")
@requires(Verb.SERVICE_SWITCH)
def decide(service_id: str) -> Response:
    """Carry out what an operator decides, with the reason."""
    service, form = load(service_id), _form()
    try:
        order = Order.model_validate(
            {name: field.data or None for name, field in form._fields.items() if name in Order.model_fields}
        )
    except ValidationError as failure:
        return _refused(service, form, failure)
    give(db.session(), runtime(), service, order, actor=actor())
    db.session.commit()
    notify(Message.of(_DONE[order.action], name=service.service_name))
    return go(url_for(".show", service_id=service_id))


def quota_words(quota: Spending) -> str:
    """What a quota counts, and in which window."""
    return str(gettext(_WINDOWS[quota.counts][quota.window]))


def reason_words(reason: str) -> str:
    """Why the breaker changed its state."""
    return str(gettext(_REASONS.get(reason, reason)))


def _page(service: Service, form: FlaskForm, status: int = 200) -> Response:
    found = standing(runtime(), service)
    until = found.override and found.override["until"]
    return page(
        "integrations/breaker.html",
        None,
        status,
        **about(service),
        standing=found,
        form=form,
        until=datetime.fromisoformat(until) if until else None,
    )


def _refused(service: Service, form: FlaskForm, failure: ValidationError) -> Response:
    for flaw in flaws_of(failure):
        field = form._fields.get(flaw.pointer.strip("/"))
        if field is None:
            form.form_errors.append(say(flaw.message))
        else:
            field.errors = [say(flaw.message)]
    return _page(service, form, 422)


def _form() -> FlaskForm:
    """The decision, how long it holds, and why; labels in the reader's language."""

    class DecisionForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
        action = SelectField(
            gettext("What to do"),
            choices=[
                SelectChoice("open", gettext("Take out of use")),
                SelectChoice("close", gettext("Pass every call")),
                SelectChoice("reset", gettext("Decide by itself again")),
            ],
            validate_choice=False,
        )
        reason = StringField(
            gettext("Reason"), description=gettext("Kept in the audit log."), render_kw={"maxlength": 500}
        )
        expires_in_s = SelectField(
            gettext("For how long"),
            choices=[
                SelectChoice("", gettext("As usual")),
                SelectChoice("3600", gettext("One hour")),
                SelectChoice("14400", gettext("Four hours")),
                SelectChoice("86400", gettext("One day")),
                SelectChoice("604800", gettext("One week")),
            ],
            validate_choice=False,
            description=gettext("Usually until it is released; passing every call ends after four hours."),
        )

    return DecisionForm()
