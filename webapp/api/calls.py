"""Calls: make one and wait for it, read one back."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for

from adapters.kit import Message, N_
from webapp.api import correlation
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query_parameters, validated
from webapp.api.call_schemas import CallDetail, CallIn, CallOut, ReplayOut
from webapp.api.identifiers import number
from webapp.api.problems import Problem
from webapp.api.spec import documented
from webapp.engine import replay as replaying
from webapp.engine.result import Result
from webapp.extensions import db, runtime

blueprint = area("calls")


@blueprint.post("/calls")
@scoped("calls:write")
@documented(
    "Make a call",
    "Calls",
    body=CallIn,
    answers={200: CallOut},
    problems=(403, 404, 409, 422, 429, 500, 501, 502, 503, 504),
    headers=("IdempotencyKey", "CorrelationId", "Traceparent"),
)
def create() -> Response:
    """Carried out on the first preferred service that can do it; the answer waits for the outcome."""
    query_parameters(())
    wanted = validated(CallIn, json_object())
    if wanted.on_behalf_of is not None and not caller().may("links:use"):
        raise Problem("FORBIDDEN", Message.of(N_("Calls on behalf of a person need the scope links:use.")))
    # The call takes as long as the vendor does: no connection to the database is kept meanwhile.
    db.session.close()
    result = _made(wanted)
    response = jsonify(result.to_dict())
    response.headers["X-Correlation-Id"] = result.correlation_id
    return response


def _made(wanted: CallIn) -> Result:
    return runtime().hub.call(
        wanted.operation,
        wanted.params,
        prefer=wanted.service_type_preference,
        point=wanted.integration_point,
        deadline_ms=wanted.deadline_ms,
        call_key=request.headers.get("Idempotency-Key"),
        correlation_id=wanted.correlation_id or correlation.current(),
        caller=caller().actor,
        duplicates=wanted.duplicates,
        on_behalf_of=wanted.on_behalf_of,
        traceparent=request.headers.get("traceparent"),
    )


@blueprint.post("/calls/<call_id>/replay")
@scoped("calls:write")
@documented("Make a failed call again", "Calls", answers={201: ReplayOut}, problems=(404, 409))
def replay(call_id: str) -> Response:
    """A new call with the same input, where the service keeps that and nothing may have been done already."""
    query_parameters(())
    no_body()
    key = number(call_id)
    who = caller().actor
    db.session.close()
    if key is None:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such call.")))
    made = replaying.replay(runtime(), key, actor=who)
    response = jsonify(call_id=str(made.call_id), replay_of=str(key), outcome=made.outcome)
    response.status_code = 201
    response.headers["Location"] = url_for(".show", call_id=made.call_id)
    return response


@blueprint.get("/calls/<call_id>")
@scoped("calls:read")
@documented("Read a call", "Calls", answers={200: CallDetail}, problems=(404,))
def show(call_id: str) -> Response:
    """Its outcome, every attempt, why each candidate was used or skipped, and the calls it was made again as."""
    query_parameters(())
    key = number(call_id)
    call = runtime().log.call(key) if key is not None else None
    if call is None:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such call.")))
    return jsonify(call.to_dict() | replaying.links(db.session(), call.call_id))
