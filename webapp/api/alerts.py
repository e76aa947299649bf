"""Alert rules and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, url_for

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query_parameters
from webapp.api.conditional import expected_revision, tagged
from webapp.api.health_schemas import (
    ChannelList,
    ChannelOut,
    ChannelTestOut,
    RuleList,
    RuleOut,
)
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.alert import AlertChannel, AlertRule
from webapp.monitor import channels, rules
from webapp.monitor.channels import ChannelFields
from webapp.monitor.delivery import test_channel
from webapp.monitor.rules import RuleFields

blueprint = area("alerts")
CONDITIONS = ("IfMatch", "IfNoneMatch")


@blueprint.get("/alerts/rules")
@scoped("health:read")
@documented("List alert rules", "Alerts", answers={200: RuleList})
def index() -> Response:
    """All of them, by name."""
    query_parameters(())
    return jsonify(items=[rules.to_dict(one) for one in rules.listed(db.session())], next_cursor=None)


@blueprint.post("/alerts/rules")
@scoped("services:write")
@documented("Create an alert rule", "Alerts", body=RuleFields, answers={201: RuleOut}, problems=(409, 422))
def create() -> Response:
    """Its channels are tried in order; a rule that could tell nobody is refused."""
    rule = rules.create(db.session(), runtime(), json_object(), actor=caller().actor)
    return _saved(rules.to_dict, rule, url_for("api_alerts.show", rule_id=rule.rule_id))


@blueprint.get("/alerts/rules/<rule_id>")
@scoped("health:read")
@documented(
    "Read an alert rule", "Alerts", answers={200: RuleOut, 304: None}, problems=(404, 412), headers=CONDITIONS
)
def show(rule_id: str) -> Response:
    """The ETag names its revision."""
    rule = rules.find(db.session(), rule_id)
    expected_revision(rule.revision)
    return tagged(rules.to_dict(rule), rule.revision)


@blueprint.put("/alerts/rules/<rule_id>")
@scoped("services:write")
@documented(
    "Replace an alert rule",
    "Alerts",
    body=RuleFields,
    answers={200: RuleOut},
    problems=(404, 409, 412, 422),
    headers=("IfMatch",),
)
def replace(rule_id: str) -> Response:
    """All of it."""
    rule, body = rules.find(db.session(), rule_id), json_object()
    seen = expected_revision(rule.revision)
    rules.update(db.session(), runtime(), rule, body, actor=caller().actor, expected_revision=seen)
    return _saved(rules.to_dict, rule)


@blueprint.delete("/alerts/rules/<rule_id>")
@scoped("services:write")
@documented("Delete an alert rule", "Alerts", answers={204: None}, problems=(404, 412), headers=("IfMatch",))
def delete(rule_id: str) -> Response:
    """Nobody is told any more of what it was about."""
    rule = rules.find(db.session(), rule_id)
    seen = expected_revision(rule.revision)
    rules.delete(db.session(), runtime(), rule, actor=caller().actor, expected_revision=seen)
    db.session.commit()
    return Response(status=204)


@blueprint.get("/alerts/channels")
@scoped("health:read")
@documented("List alert channels", "Alerts", answers={200: ChannelList})
def channel_index() -> Response:
    """All of them, by name, with how they are."""
    query_parameters(())
    return jsonify(items=[channels.to_dict(one) for one in channels.listed(db.session())], next_cursor=None)


@blueprint.post("/alerts/channels")
@scoped("services:write")
@documented(
    "Create an alert channel", "Alerts", body=ChannelFields, answers={201: ChannelOut}, problems=(409, 422)
)
def create_channel() -> Response:
    """The address of a webhook is stored sealed and never shown again."""
    channel = channels.create(db.session(), runtime(), json_object(), actor=caller().actor)
    return _saved(
        channels.to_dict, channel, url_for("api_alerts.show_channel", channel_id=channel.channel_id)
    )


@blueprint.get("/alerts/channels/<channel_id>")
@scoped("health:read")
@documented(
    "Read an alert channel",
    "Alerts",
    answers={200: ChannelOut},
    problems=(404, 412),
    headers=("IfMatch",),
)
def show_channel(channel_id: str) -> Response:
    """The ETag names the revision of what was set; how it is changes without a new one."""
    channel = channels.find(db.session(), channel_id)
    expected_revision(channel.revision)
    return _told(channel)


@blueprint.put("/alerts/channels/<channel_id>")
@scoped("services:write")
@documented(
    "Replace an alert channel",
    "Alerts",
    body=ChannelFields,
    answers={200: ChannelOut},
    problems=(404, 409, 412, 422),
    headers=("IfMatch",),
)
def replace_channel(channel_id: str) -> Response:
    """All of it, but for the address of a webhook, which stays unless another one is given."""
    channel, body = channels.find(db.session(), channel_id), json_object()
    seen = expected_revision(channel.revision)
    channels.update(db.session(), runtime(), channel, body, actor=caller().actor, expected_revision=seen)
    return _saved(channels.to_dict, channel)


@blueprint.delete("/alerts/channels/<channel_id>")
@scoped("services:write")
@documented(
    "Delete an alert channel", "Alerts", answers={204: None}, problems=(404, 412, 422), headers=("IfMatch",)
)
def delete_channel(channel_id: str) -> Response:
    """Only one that no rule uses."""
    channel = channels.find(db.session(), channel_id)
    seen = expected_revision(channel.revision)
    channels.delete(db.session(), runtime(), channel, actor=caller().actor, expected_revision=seen)
    db.session.commit()
    return Response(status=204)


@blueprint.post("/alerts/channels/<channel_id>/test")
@scoped("services:test")
@documented("Test an alert channel", "Alerts", answers={200: ChannelTestOut}, problems=(404, 422))
def test(channel_id: str) -> Response:
    """Sends a message that says it is a test."""
    no_body()
    channels.find(db.session(), channel_id)
    db.session.rollback()  # nothing is held while the network is used
    result = test_channel(runtime(), channel_id)
    return jsonify(status=result.status, code=result.code)


def _saved(
    shape: Callable[[Any], dict[str, Any]], row: AlertRule | AlertChannel, location: str = ""
) -> Response:
    """Commit, and answer with what is stored now; with its address when it is new."""
    db.session.commit()
    response = tagged(shape(row), row.revision, 201 if location else 200)
    if location:
        response.headers["Location"] = location
    return response


def _told(channel: AlertChannel) -> Response:
    """A channel with its revision, never as unchanged: how it is may have changed."""
    response = jsonify(channels.to_dict(channel))
    response.set_etag(str(channel.revision))
    response.headers["Cache-Control"] = "no-store"
    return response
