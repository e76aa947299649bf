"""Alert rules and channels."""

from __future__ import annotations

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query_parameters
from webapp.api.health_schemas import (
    ChannelList,
    ChannelOut,
    ChannelTestOut,
    RuleList,
    RuleOut,
)
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.monitor import channels, rules
from webapp.monitor.channels import ChannelFields
from webapp.monitor.delivery import test_channel
from webapp.monitor.rules import RuleFields

blueprint = area("alerts")


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
def create() -> ResponseReturnValue:
    """Its channels are tried in order; a rule that could tell nobody is refused."""
    rule = rules.create(db.session(), runtime(), json_object(), actor=caller().actor)
    db.session.commit()
    return jsonify(rules.to_dict(rule)), 201


@blueprint.put("/alerts/rules/<rule_id>")
@scoped("services:write")
@documented(
    "Replace an alert rule", "Alerts", body=RuleFields, answers={200: RuleOut}, problems=(404, 409, 422)
)
def replace(rule_id: str) -> Response:
    """All of it."""
    rule = rules.find(db.session(), rule_id)
    rules.update(db.session(), runtime(), rule, json_object(), actor=caller().actor)
    db.session.commit()
    return jsonify(rules.to_dict(rule))


@blueprint.delete("/alerts/rules/<rule_id>")
@scoped("services:write")
@documented("Delete an alert rule", "Alerts", answers={204: None}, problems=(404,))
def delete(rule_id: str) -> Response:
    """Nobody is told any more of what it was about."""
    rules.delete(db.session(), runtime(), rules.find(db.session(), rule_id), actor=caller().actor)
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
def create_channel() -> ResponseReturnValue:
    """The address of a webhook is stored sealed and never shown again."""
    channel = channels.create(db.session(), runtime(), json_object(), actor=caller().actor)
    db.session.commit()
    return jsonify(channels.to_dict(channel)), 201


@blueprint.delete("/alerts/channels/<channel_id>")
@scoped("services:write")
@documented("Delete an alert channel", "Alerts", answers={204: None}, problems=(404, 422))
def delete_channel(channel_id: str) -> Response:
    """Only one that no rule uses."""
    channels.delete(db.session(), runtime(), channels.find(db.session(), channel_id), actor=caller().actor)
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
