"""Alerts: who is told what, by which way, and whether it arrived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.alert import AlertChannel, AlertDelivery, AlertRule
from webapp.models.route import Route
from webapp.models.service import Service
from webapp.monitor import channels, rules
from webapp.monitor.delivery import test_channel
from webapp.registry.errors import Flaw, Invalid, NotFound, RegistryError, Stale
from webapp.web import alert_words
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.i18n import LOCALES, say
from webapp.web.page import page
from webapp.web.revision import seen_revision

blueprint = Blueprint("alerts", __name__, url_prefix="/settings/alerts")
_SHOWN = 30


@blueprint.get("")
@requires(Verb.SYSTEM_READ)
def index() -> Response:
    """Rules as sentences, channels with how they are, and what was delivered lately."""
    newest = select(AlertDelivery).order_by(AlertDelivery.delivery_id.desc()).limit(_SHOWN)
    all_channels = channels.listed(db.session())
    names = {one.channel_id: one.name for one in all_channels}
    return page(
        "alerts/index.html",
        rules=_told(names),
        channels=all_channels,
        names=names,
        deliveries=db.session.scalars(newest).all(),
        words=alert_words,
    )


@blueprint.route("/rules/new", methods=["GET", "POST"])
@requires(Verb.SERVICE_WRITE)
def new_rule() -> ResponseReturnValue:
    """A new rule."""
    return _rule(None)


@blueprint.route("/rules/<rule_id>", methods=["GET", "POST"])
@requires(Verb.SERVICE_WRITE)
def edit_rule(rule_id: str) -> ResponseReturnValue:
    """Change a rule."""
    return _rule(_found(rules.find, rule_id))


@blueprint.post("/rules/<rule_id>/delete")
@requires(Verb.SERVICE_WRITE)
def delete_rule(rule_id: str) -> ResponseReturnValue:
    """Take a rule away."""
    rule = _found(rules.find, rule_id)
    try:
        rules.delete(db.session(), runtime(), rule, actor=actor(), expected_revision=seen_revision())
    except Stale as stale:
        return _kept(stale, url_for(".edit_rule", rule_id=rule_id))
    return _done(gettext("The rule was deleted."))


@blueprint.route("/channels/new", methods=["GET", "POST"])
@requires(Verb.SERVICE_WRITE)
def new_channel() -> ResponseReturnValue:
    """A new channel."""
    return _channel(None)


@blueprint.route("/channels/<channel_id>", methods=["GET", "POST"])
@requires(Verb.SERVICE_WRITE)
def edit_channel(channel_id: str) -> ResponseReturnValue:
    """Change a channel."""
    return _channel(_found(channels.find, channel_id))


@blueprint.post("/channels/<channel_id>/delete")
@requires(Verb.SERVICE_WRITE)
def delete_channel(channel_id: str) -> ResponseReturnValue:
    """Take a channel away that no rule uses."""
    channel = _found(channels.find, channel_id)
    try:
        channels.delete(db.session(), runtime(), channel, actor=actor(), expected_revision=seen_revision())
    except Stale as stale:
        return _kept(stale, url_for(".edit_channel", channel_id=channel_id))
    except Invalid as refused:
        db.session.rollback()
        notify(refused.errors[0].message, "bad")
        return redirect(url_for(".index"), 303)
    return _done(gettext("The channel was deleted."))


@blueprint.post("/channels/<channel_id>/test")
@requires(Verb.SERVICE_TEST)
def test(channel_id: str) -> ResponseReturnValue:
    """Send a test message through a channel."""
    name = _found(channels.find, channel_id).name
    db.session.rollback()  # nothing is held while the network is used
    result = test_channel(runtime(), channel_id)
    if result.status == "sent":
        notify(gettext("The test went out through %(name)s.", name=name))
    else:
        notify(gettext("The test through %(name)s failed: %(code)s.", name=name, code=result.code), "bad")
    return redirect(url_for(".index"), 303)


def _told(names: Mapping[str, str]) -> list[tuple[AlertRule, str, bool]]:
    """Each rule with its sentence, and whether it could tell nobody when its own way is what breaks."""
    services = _services()
    return [
        (rule, alert_words.sentence(rule, services, names), rules.deaf(db.session(), runtime(), rule))
        for rule in rules.listed(db.session())
    ]


def _rule(rule: AlertRule | None) -> ResponseReturnValue:
    if request.method == "GET":
        return _rule_page(rule, alert_words.rule_form(rule))
    values = alert_words.rule_values(request.form, list(_services()))
    try:
        if rule is None:
            rules.create(db.session(), runtime(), values, actor=actor())
        else:
            seen = seen_revision()
            rules.update(db.session(), runtime(), rule, values, actor=actor(), expected_revision=seen)
    except Stale:
        db.session.rollback()
        return _rule_page(rule, {**request.form, **values}, stale=True)
    except RegistryError as refused:
        db.session.rollback()
        return _rule_page(rule, {**request.form, **values}, refused.errors)
    return _done(gettext("The rule was saved."))


def _channel(channel: AlertChannel | None) -> ResponseReturnValue:
    if request.method == "GET":
        return _channel_page(channel, _shown(channel))
    values = alert_words.channel_values(request.form)
    try:
        if channel is None:
            channels.create(db.session(), runtime(), values, actor=actor())
        else:
            seen = seen_revision()
            channels.update(db.session(), runtime(), channel, values, actor=actor(), expected_revision=seen)
    except Stale:
        db.session.rollback()
        return _channel_page(channel, request.form, stale=True)
    except RegistryError as refused:
        db.session.rollback()
        return _channel_page(channel, request.form, refused.errors)
    return _done(gettext("The channel was saved."))


def _shown(channel: AlertChannel | None) -> dict[str, Any]:
    if channel is None:
        return {"kind": "email", "locale": "en"}
    return {**channel.options, "name": channel.name, "kind": channel.kind, "route": channel.route,
            "recipients": "\n".join(channel.recipients)}  # fmt: skip


def _rule_page(
    rule: AlertRule | None, values: Mapping[str, Any], flaws: Iterable[Flaw] = (), *, stale: bool = False
) -> Response:
    errors = _errors(flaws)
    choices = [(one.channel_id, one.name) for one in channels.listed(db.session())]
    return page(
        "alerts/rule.html", status=_status(errors, stale), rule=rule, values=values, errors=errors, stale=stale,
        summary=_summary(errors), channels=choices, services=_services(), words=alert_words,
    )  # fmt: skip


def _channel_page(
    channel: AlertChannel | None,
    values: Mapping[str, Any],
    flaws: Iterable[Flaw] = (),
    *,
    stale: bool = False,
) -> Response:
    errors = _errors(flaws)
    names = [*db.session.scalars(select(Route.name).order_by(Route.name)), *channels.CONTRACTS.values()]
    return page(
        "alerts/channel.html", status=_status(errors, stale), channel=channel, values=values, errors=errors, stale=stale,
        summary=_summary(errors), names=names, locales=LOCALES, kinds=[(key, say(label)) for key, label in alert_words.KINDS.items()], words=alert_words,
    )  # fmt: skip


def _status(errors: Mapping[str, str], stale: bool) -> int:
    return 409 if stale else 422 if errors else 200


def _kept(stale: Stale, edit: str) -> ResponseReturnValue:
    """It was changed meanwhile, so it is shown instead of deleted."""
    db.session.rollback()
    notify(stale.message, "bad")
    return redirect(edit, 303)


def _errors(flaws: Iterable[Flaw]) -> dict[str, str]:
    """The first finding of each field, by its name in the form."""
    fields = {"after_s": "after", "remind_every_s": "remind", "digest_s": "digest", "channels": "channel-1"}
    found: dict[str, str] = {}
    for flaw in flaws:
        name = flaw.pointer.removeprefix("/").partition("/")[0]
        found.setdefault(fields.get(name, name), say(flaw.message))
    return found


def _summary(errors: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"f-{name}" if name else "", text) for name, text in errors.items()]


def _done(text: str) -> ResponseReturnValue:
    db.session.commit()
    notify(text)
    return redirect(url_for(".index"), 303)


def _found(find: Any, id_: str) -> Any:
    try:
        return find(db.session(), id_)
    except NotFound:
        abort(404)


def _services() -> dict[str, str]:
    query = select(Service.service_id, Service.service_name).where(Service.deleted_at.is_(None))
    return {row.service_id: row.service_name for row in db.session.execute(query.order_by(Service.name_key))}
