"""Explain: what a call would do, decided by the same code as a call, with nothing sent."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response, jsonify
from pydantic import Field

from webapp.api.access import scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, query_parameters, validated
from webapp.api.schemas import Answer
from webapp.api.spec import documented
from webapp.engine.explain import explain
from webapp.extensions import db, runtime
from webapp.registry.fields import Strict

blueprint = area("explain")


class ExplainIn(Strict):
    """A call that is not made."""

    operation: str = Field(max_length=80, examples=["email.send"])
    service_type_preference: str | list[str] = Field(
        default=[], description="As for a call: names of routes, service types, contracts or ids of services."
    )
    params: dict[str, Any] | None = Field(
        default=None, description="Checked as for a call when given; not needed for the answer."
    )


class StandingOut(Answer):
    """One candidate, and what a call would do with it now."""

    position: int
    via: str = Field(description="The name of the preference that led to it.")
    service_id: str | None
    service_name: str | None
    service_type: str | None
    health: str | None
    status: Literal["first", "next", "skipped", "beyond"]
    code: str | None = Field(description="Why it would be skipped.")
    reason: str
    message: dict[str, Any] = Field(description="The reason with its values apart, for translation.")
    retry_after_ms: int | None = Field(
        description="After which time it may be used again, where that is known."
    )


class ExplainOut(Answer):
    """The decision, without the call."""

    operation: str
    contract: str
    service_id: str | None = Field(description="The service that would be tried first.")
    service_name: str | None
    code: str | None = Field(description="How the call would end because nothing could be tried.")
    candidates: list[StandingOut]


@blueprint.post("/calls/explain")
@scoped("calls:read")
@documented("Explain a call", "Calls", body=ExplainIn, answers={200: ExplainOut}, problems=(422,))
def ask() -> Response:
    """Which service would be tried first, which would take over, and why the others would be left out."""
    query_parameters(())
    wanted = validated(ExplainIn, json_object())
    db.session.close()
    found = explain(runtime(), wanted.operation, wanted.service_type_preference, wanted.params)
    return jsonify(found.to_dict())
