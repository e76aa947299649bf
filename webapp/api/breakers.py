"""The gates of a service: how it stands, and an operator's word about its breaker."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flask import Response, jsonify
from pydantic import Field

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, validated
from webapp.api.schemas import Answer
from webapp.api.spec import documented
from webapp.engine.overrides import Order, give
from webapp.engine.standing import Standing, standing
from webapp.extensions import db, runtime
from webapp.registry import services
from webapp.registry.shape import moment

blueprint = area("breakers")


class OverrideOut(Answer):
    """What an operator decided."""

    state: Literal["open", "closed"]
    actor: str
    reason: str
    at: datetime
    until: datetime | None


class ChangeOut(Answer):
    """A change of state and the counts of the last minute that led to it."""

    at: datetime
    before: str
    after: str
    reason: str
    calls: int
    failures: int
    slow: int


class QuotaOut(Answer):
    """How much of a quota is used."""

    counts: Literal["calls", "money"]
    window: str
    used: float
    limit: float


class BreakerOut(Answer):
    """How a service stands at its gates now."""

    state: Literal["closed", "open", "half_open", "forced_open", "forced_closed"]
    since: datetime | None
    retry_after_ms: int = Field(description="How long the breaker stays open.")
    rest_ms: int = Field(description="For how long the service itself asked to be left alone.")
    calls: int = Field(description="Calls in the window of a minute.")
    failures: int
    slow: int
    override: OverrideOut | None
    changes: list[ChangeOut] = Field(description="The last ones, newest first.")
    quotas: list[QuotaOut]
    degraded: bool = Field(description="The shared counters are down: each process counts for itself.")


@blueprint.get("/services/<service_id>/breaker")
@scoped("services:read")
@documented("Read the breaker of a service", "Services", answers={200: BreakerOut}, problems=(404,))
def show(service_id: str) -> Response:
    """Its state, what led to it, its quotas, and what an operator decided."""
    return jsonify(_members(standing(runtime(), services.find(db.session(), service_id))))


@blueprint.post("/services/<service_id>/breaker")
@scoped("services:write")
@documented(
    "Force or reset the breaker of a service",
    "Services",
    body=Order,
    answers={200: BreakerOut},
    problems=(404, 422),
)
def decide(service_id: str) -> Response:
    """Take a service out of use, let every call through, or begin anew; actor and reason go to the audit log."""
    order = validated(Order, json_object())
    service = services.find(db.session(), service_id)
    give(db.session(), runtime(), service, order, actor=caller().actor)
    db.session.commit()
    return jsonify(_members(standing(runtime(), service)))


def _members(found: Standing) -> dict[str, Any]:
    return {
        "state": found.state,
        "since": moment(found.since),
        "retry_after_ms": found.wait_s * 1000,
        "rest_ms": found.rest_s * 1000,
        "calls": found.calls,
        "failures": found.failures,
        "slow": found.slow,
        "override": dict(found.override) if found.override else None,
        "changes": [
            {
                name: getattr(change, name)
                for name in ("before", "after", "reason", "calls", "failures", "slow")
            }
            | {"at": moment(change.at)}
            for change in found.changes
        ],
        "quotas": [
            {name: getattr(quota, name) for name in ("counts", "window", "used", "limit")}
            for quota in found.quotas
        ],
        "degraded": found.degraded,
    }
