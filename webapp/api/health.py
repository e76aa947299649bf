"""The health of every service: states, uptime, history and checks."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from sqlalchemy import select

from webapp.api.access import scoped
from webapp.api.area import area
from webapp.api.bodies import query
from webapp.api.health_schemas import (
    CheckPage,
    ChecksQuery,
    HealthPage,
    HealthQuery,
    History,
    RangeQuery,
    ServiceHealthDetail,
)
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.health import HealthCheck, Lease, ServiceHealth
from webapp.models.service import Service
from webapp.monitor import history
from webapp.registry import services
from webapp.registry.search import ServiceFilter
from webapp.registry.shape import health_dict, moment

blueprint = area("health")


@blueprint.get("/health")
@scoped("health:read")
@documented(
    "List the health of services", "Health", query=HealthQuery, answers={200: HealthPage}, problems=(422,)
)
def index() -> Response:
    """What the last checks said, in the order of the services' names, with the uptime over a range."""
    wanted = query(HealthQuery)
    chosen = ServiceFilter(limit=wanted.limit, cursor=wanted.cursor)
    page = services.search(db.session(), runtime(), chosen)
    now = runtime().clock.now()
    spans = history.spans(db.session(), [one.service.service_id for one in page.items], wanted.range, now)
    items = [
        _line(found.service, found.health) | {"uptime": spans[found.service.service_id].uptime}
        for found in page.items
    ]
    return jsonify(items=items, next_cursor=page.next_cursor, scheduler=_scheduler(), log=_log())


@blueprint.get("/health/<service_id>")
@scoped("health:read")
@documented("Read the health of a service", "Health", answers={200: ServiceHealthDetail}, problems=(404,))
def show(service_id: str) -> Response:
    """Its state, its last check with every stage, and its uptime over each range."""
    return _detail(service_id)


@blueprint.get("/services/<service_id>/health")
@scoped("health:read")
@documented(
    "Read the health of a service, below it", "Health", answers={200: ServiceHealthDetail}, problems=(404,)
)
def of_service(service_id: str) -> Response:
    """The same as below `/integrations/health`."""
    return _detail(service_id)


def _detail(service_id: str) -> Response:
    service = services.find(db.session(), service_id)
    health = db.session.get(ServiceHealth, service_id)
    day = _span(service, "24h")
    return jsonify(
        **_line(service, health),
        uptime=day.uptime,
        uptime_by_range={range_: _span(service, range_).uptime for range_ in history.RANGES},
        p95_ms=day.p95_ms,
        maintenance_until=moment(health.maintenance_until) if health else None,
        stages=[_stage(stage) for stage in ((health.detail if health else None) or {}).get("stages", [])],
    )


@blueprint.get("/health/<service_id>/history")
@scoped("health:read")
@documented(
    "Read the history of a service", "Health", query=RangeQuery, answers={200: History}, problems=(404, 422)
)
def marks(service_id: str) -> Response:
    """Hours or days, oldest first, with how its checks came out."""
    range_ = query(RangeQuery).range
    span = _span(services.find(db.session(), service_id), range_)
    found = [
        {"start": moment(mark.start), "up": mark.up, "warned": mark.warned, "down": mark.down,
         "excused": mark.excused, "mean_ms": mark.mean_ms}
        for mark in span.marks
    ]  # fmt: skip
    return jsonify(range=range_, uptime=span.uptime, p95_ms=span.p95_ms, marks=found)


@blueprint.get("/health/<service_id>/checks")
@scoped("health:read")
@documented(
    "List the checks of a service", "Health", query=ChecksQuery, answers={200: CheckPage}, problems=(404, 422)
)
def checks(service_id: str) -> Response:
    """Those of the last 48 hours, newest first, each with its stages."""
    wanted = query(ChecksQuery)
    service = services.find(db.session(), service_id)
    found = history.checks(db.session(), service.service_id, limit=wanted.limit + 1, before=wanted.cursor)
    items = found[: wanted.limit]
    cursor = str(items[-1].check_id) if len(found) > wanted.limit else None
    return jsonify(items=[_check(one) for one in items], next_cursor=cursor)


def _span(service: Service, range_: str) -> history.Span:
    return history.spans(db.session(), [service.service_id], range_, runtime().clock.now())[
        service.service_id
    ]


def _line(service: Any, health: Any) -> dict[str, Any]:
    names = {name: getattr(service, name) for name in ("service_id", "service_name", "service_type")}
    return names | health_dict(service, health, runtime().clock.now())


def _scheduler() -> dict[str, Any]:
    until = db.session.scalar(select(Lease.until).where(Lease.name == "monitor"))
    return {"alive": until is not None and runtime().clock.now() < until, "until": moment(until)}


def _log() -> dict[str, Any]:
    """How far the call log is behind."""
    live = runtime()
    waiting = live.recorder.backlog()
    return {
        "lag_s": round(live.ledger.lag_s(live.clock.now()), 3),
        "waiting_bytes": waiting.all,
        "refused": waiting.refused,
        "error": waiting.error,
    }


def _check(check: HealthCheck) -> dict[str, Any]:
    names = ("source", "state", "verdict", "code", "latency_ms")
    own = {
        "check_id": str(check.check_id),
        "at": moment(check.at),
        "stages": [_stage(one) for one in check.stages],
    }
    return own | {name: getattr(check, name) for name in names}


def _stage(stage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stage.items() if name not in {"message_id", "remedy_id"}}
