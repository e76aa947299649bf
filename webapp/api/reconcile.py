"""Reconcile: calls whose outcome nobody knows, and saying what became of them."""

from __future__ import annotations

from typing import Literal

from flask import Response, jsonify
from pydantic import Field

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, query, query_parameters, validated
from webapp.api.identifiers import number
from webapp.api.problems import Problem
from webapp.api.schemas import Answer, Cursor, Limit
from webapp.api.spec import documented
from webapp.engine import reconcile, settling
from webapp.engine.reconcile import ReconcileFilter
from webapp.extensions import db, runtime
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import Strict

blueprint = area("reconcile")
State = Literal["waiting", "needs_attention", "succeeded", "failed", "resent"]


class ReconcileQuery(Strict):
    """Filters of the list; every given one must hold."""

    state: Literal["open", "waiting", "needs_attention", "succeeded", "failed", "resent"] | None = Field(
        default=None, description="`open` is waiting or needs_attention."
    )
    service_id: str | None = None
    operation: str | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ReconcileOut(Answer):
    """One call nobody knows about, or once did not."""

    call_id: str
    began_at: str | None
    state: State
    operation: str
    service_id: str | None
    service_type: str | None
    integration_point: str | None
    correlation_id: str | None
    caller: str | None
    recipient_mask: str | None
    code: str | None = Field(description="Why it is not known.")
    lookups: int = Field(description="How often the vendor was asked.")
    decided_by: str | None
    note: str | None
    created_at: str | None
    next_lookup_at: str | None
    looked_up_at: str | None
    decided_at: str | None
    lookup_message: str | None = Field(description="What the vendor said last.")
    can_resend: bool
    resent_call_id: str | None


class ReconcilePage(Answer):
    """Items, newest first."""

    items: list[ReconcileOut]
    next_cursor: str | None


class DecisionIn(Strict):
    """What became of a call."""

    outcome: Literal["succeeded", "failed"]
    note: str = Field(max_length=settling.NOTE_MAX, description="How you know.")


class ResendIn(Strict):
    """Sending a call once more."""

    accept_duplicate: bool = Field(description="Must be true: it may then be done twice.")
    note: str = Field(max_length=settling.NOTE_MAX, description="Why it is sent once more.")


class ResentOut(Answer):
    """The new call."""

    call_id: str | None
    outcome: Literal["succeeded", "failed", "unknown"]
    code: str | None


@blueprint.get("/reconcile")
@scoped("calls:read")
@documented(
    "List calls of unknown outcome",
    "Calls",
    query=ReconcileQuery,
    answers={200: ReconcilePage},
    problems=(422,),
)
def index() -> Response:
    """Newest first."""
    wanted = query(ReconcileQuery)
    found = ReconcileFilter(**wanted.model_dump(exclude={"cursor"}), before=_before(wanted.cursor))
    items, before = reconcile.search(db.session(), found)
    cursor = str(before) if before else None
    return jsonify(items=[reconcile.to_dict(item) for item in items], next_cursor=cursor)


@blueprint.get("/reconcile/<call_id>")
@scoped("calls:read")
@documented("Read a call of unknown outcome", "Calls", answers={200: ReconcileOut}, problems=(404,))
def show(call_id: str) -> Response:
    """How it stands."""
    query_parameters(())
    item = reconcile.find(db.session(), _number(call_id))
    if item is None:
        raise _nothing()
    return jsonify(reconcile.to_dict(item))


@blueprint.post("/reconcile/<call_id>/decide")
@scoped("calls:write")
@documented(
    "Say what became of a call",
    "Calls",
    body=DecisionIn,
    answers={200: ReconcileOut},
    problems=(404, 409, 422),
)
def decide(call_id: str) -> Response:
    """Once and for all; it is audited."""
    given = validated(DecisionIn, json_object())
    who = caller().actor
    item = settling.decide(
        db.session(), runtime(), _number(call_id), given.outcome, note=given.note, actor=who
    )
    db.session.commit()
    return jsonify(reconcile.to_dict(item))


@blueprint.post("/reconcile/<call_id>/resend")
@scoped("calls:write")
@documented(
    "Send a call once more", "Calls", body=ResendIn, answers={200: ResentOut}, problems=(404, 409, 422)
)
def resend(call_id: str) -> Response:
    """A new call on the same service, linked to this one. It may be done twice."""
    given, who = validated(ResendIn, json_object()), caller().actor
    db.session.close()
    sent = settling.resend(
        runtime(), _number(call_id), note=given.note, actor=who, accept_duplicate=given.accept_duplicate
    )
    new_id = str(sent.call_id) if sent.call_id else None
    return jsonify(call_id=new_id, outcome=sent.outcome, code=sent.problem.code if sent.problem else None)


def _number(call_id: str) -> int:
    key = number(call_id)
    if key is None:
        raise _nothing()
    return key


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if (before := number(cursor)) is None:
        text = Message.of(N_("This cursor does not belong to this list."))
        raise Invalid([Flaw.at("cursor", code="invalid", message=text)])
    return before


def _nothing() -> Problem:
    return Problem("NOT_FOUND", Message.of(N_("There is no such call on the reconcile list.")))
