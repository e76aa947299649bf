"""Linked accounts: what people linked, what used it, and tokens for those who may act for them."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp import links
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query, query_parameters, validated
from webapp.api.link_schemas import (
    AskedAgain,
    LinkEnded,
    LinkOut,
    LinkPage,
    LinkQuery,
    TokenIn,
    TokenOut,
    UsageOut,
)
from webapp.api.problems import Problem
from webapp.api.spec import documented
from webapp.engine.problems import PatchbayError
from webapp.extensions import db, runtime
from webapp.links import LinkUnusable, LinkView
from webapp.links.search import find
from webapp.models.service import Service
from webapp.registry.shape import moment

blueprint = area("links")


@blueprint.get("/links")
@scoped("links:read")
@documented("List linked accounts", "Links", query=LinkQuery, answers={200: LinkPage}, problems=(422,))
def index() -> Response:
    """The newest first; ended ones stay for three months, without tokens."""
    wanted = query(LinkQuery)
    found = find(
        db.session(), runtime(), person=wanted.person, service_id=wanted.service_id, state=wanted.state,
        limit=wanted.limit, before=wanted.cursor,
    )  # fmt: skip
    return jsonify(items=[_members(view) for view in found.views], next_cursor=found.next)


@blueprint.get("/links/<link_id>")
@scoped("links:read")
@documented("Read a linked account", "Links", answers={200: LinkOut}, problems=(404,))
def show(link_id: str) -> Response:
    """Its state, what it may do and when it was used; never a token."""
    query_parameters(())
    return jsonify(_members(_found(link_id)))


@blueprint.get("/links/<link_id>/usage")
@scoped("links:read")
@documented("Read what used a linked account", "Links", answers={200: UsageOut}, problems=(404,))
def usage(link_id: str) -> Response:
    """By place in business code and by day."""
    query_parameters(())
    used = links.usage_of(db.session(), _found(link_id).link_id)
    items = [
        {
            "integration_point": use.point or None,
            "day": use.day.isoformat(),
            "calls": use.calls,
            "last_at": moment(use.last_at),
        }
        for use in used
    ]
    return jsonify(items=items, next_cursor=None)


@blueprint.delete("/links/<link_id>")
@scoped("links:write")
@documented("End a linked account", "Links", answers={200: LinkEnded}, problems=(404,))
def end(link_id: str) -> Response:
    """Its tokens are wiped here first; then the provider is asked to revoke them."""
    query_parameters(())
    no_body()
    _found(link_id)
    db.session.close()
    ended = links.disconnect(runtime(), link_id, actor=caller().actor)
    if ended is None:
        raise _unknown()
    return jsonify(link_id=ended.link_id, at_provider=ended.at_provider, manage_url=ended.manage_url)


@blueprint.post("/links/token")
@scoped("links:use")
@documented(
    "Get a token of a person",
    "Links",
    body=TokenIn,
    answers={200: TokenOut},
    problems=(403, 404, 409, 422, 503),
)
def token() -> Response:
    """A token that works now, renewed if it was about to end. The use is noted and shown to its owner."""
    query_parameters(())
    wanted = validated(TokenIn, json_object())
    db.session.close()
    try:
        found = runtime().hub.token_for(wanted.person, wanted.service, point=wanted.integration_point)
    except LinkUnusable as missing:
        wait = missing.retry_after_s
        raise PatchbayError(
            missing.code, missing.message, retry_after_ms=None if wait is None else round(wait * 1000)
        ) from None
    return jsonify(
        link_id=found.link_id, service_id=found.service_id, account_id=found.account_id,
        access_token=found.access_token.get_secret_value(), expires_at=moment(found.expires_at),
        scopes=list(found.scopes),
    )  # fmt: skip


@blueprint.post("/services/<service_id>/links/ask-again")
@scoped("links:write")
@documented("Ask people to sign in again", "Links", answers={200: AskedAgain}, problems=(404,))
def ask_again(service_id: str) -> Response:
    """Everybody who linked an account of this service sees the request on their page; links work on meanwhile."""
    query_parameters(())
    no_body()
    service = db.session.get(Service, service_id)
    if service is None or service.is_deleted:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such service.")))
    asked = links.request_reauthorisation(db.session(), runtime(), service_id, actor=caller().actor)
    db.session.commit()
    return jsonify(links=asked)


def _found(link_id: str) -> LinkView:
    view = links.link_of(db.session(), runtime(), link_id)
    if view is None:
        raise _unknown()
    return view


def _unknown() -> Problem:
    return Problem("NOT_FOUND", Message.of(N_("There is no such linked account.")))


def _members(view: LinkView) -> dict[str, Any]:
    moments = ("linked_at", "ended_at", "last_used_at", "expires_at", "failed_at", "asked_again_at")
    plain = (
        "link_id", "user_id", "service_id", "service_name", "service_type", "account_label", "state",
        "last_used_by", "failure",
    )  # fmt: skip
    return (
        {name: getattr(view, name) for name in plain}
        | {name: moment(getattr(view, name)) for name in moments}
        | {
            "scopes": [permission.scope for permission in view.permissions],
            "missing_scopes": [permission.scope for permission in view.missing],
        }
    )
