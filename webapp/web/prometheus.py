"""`/metrics` for Prometheus: every worker answers the same, because all it tells lies in shared tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import func, select

from webapp.accounts import tokens
from webapp.accounts.tokens import TokenRefused
from webapp.engine.breaker import CLOSED, HALF_OPEN, OPEN
from webapp.extensions import db, runtime
from webapp.log.rollups_tally import OPERATION, ROUTE, SERVICE, Tally
from webapp.models.health import Lease, ServiceHealth
from webapp.models.incident import Incident
from webapp.models.service import Service
from webapp.monitor.breakers import gates
from webapp.registry.condition import health_state
from webapp.web.access import public
from webapp.web.exposition import CONTENT_TYPE, Family, Labels, counter, gauge, latencies, text_of
from webapp.web.service_lines import STATE_ORDER

blueprint = Blueprint("prometheus", __name__)
SCOPE = "health:read"
_MILLION = 1_000_000


@blueprint.get("/metrics")
@public
def index() -> Response:
    """The metrics, for a token that may read health or for an address that is allowed."""
    if not _is_allowed(request.remote_addr):
        try:
            tokens.verify(runtime(), request.headers.get("Authorization"), SCOPE, request.remote_addr)
        except TokenRefused as refused:
            status = 401 if refused.code == "UNAUTHENTICATED" else 403
            headers = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
            return Response(f"{refused}\n", status, headers, "text/plain")
    return Response(text_of(families()), 200, {"Cache-Control": "no-store"}, content_type=CONTENT_TYPE)


def families() -> Iterator[Family]:
    """Everything there is to tell."""
    services = db.session.scalars(select(Service).where(Service.deleted_at.is_(None))).all()
    labels = {one.service_id: _labels(one) for one in services}
    sums = runtime().metrics.ever(SERVICE, OPERATION, ROUTE)
    yield from _attempts([(labels[key], tally) for key, tally in sums[SERVICE].items() if key in labels])
    yield from _calls(OPERATION, sums[OPERATION])
    yield from _calls(ROUTE, sums[ROUTE])
    yield from _health(services, labels)
    yield from _breakers(services, labels)
    yield from _incidents(labels)
    yield from _works()


def _is_allowed(address: str | None) -> bool:
    """Whether this address may read without a token; none may unless the operator named it."""
    return tokens.is_within(address, runtime().config.metrics_allow)


def _labels(service: Service) -> Labels:
    return {
        "service_id": service.service_id,
        "service": service.service_name,
        "service_type": service.service_type,
    }


def _attempts(tallies: Sequence[tuple[Labels, Tally]]) -> Iterator[Family]:
    yield counter("patchbay_attempts_total", "Tries made on a service that ended.", _by_outcome(tallies))
    yield counter(
        "patchbay_attempt_errors_total",
        "Tries that did not succeed, by error code.",
        [({**at, "code": code}, number) for at, tally in tallies for code, number in tally.codes.items()],
    )
    for name, help_ in (
        ("retries", "Tries that were not the first of their call."),
        ("fallbacks", "Tries on a service that is not the first of its list."),
    ):
        counts = [(at, getattr(tally, name)) for at, tally in tallies]
        yield counter(f"patchbay_attempt_{name}_total", help_, counts)
    costs = [(at, tally.cost / _MILLION) for at, tally in tallies if tally.cost]
    yield counter("patchbay_attempt_cost_total", "What tries cost, in the currency of the prices.", costs)
    yield latencies("patchbay_attempt_duration_seconds", "How long tries took.", tallies)


def _calls(scope: str, sums: Mapping[str, Tally]) -> Iterator[Family]:
    """Calls by operation, and once more by route: the same calls, so they are families of their own."""
    prefix = "patchbay_call" if scope == OPERATION else "patchbay_route_call"
    tallies = [({scope: key}, tally) for key, tally in sums.items()]
    yield counter(f"{prefix}s_total", f"Calls that ended, by {scope}.", _by_outcome(tallies))
    yield latencies(f"{prefix}_duration_seconds", f"How long calls took, by {scope}.", tallies)


def _by_outcome(tallies: Sequence[tuple[Labels, Tally]]) -> list[tuple[Labels, float]]:
    return [
        ({**labels, "outcome": outcome}, getattr(tally, outcome))
        for labels, tally in tallies
        for outcome in ("succeeded", "failed", "unknown")
    ]


def _health(services: Sequence[Service], labels: Mapping[str, Labels]) -> Iterator[Family]:
    now = runtime().clock.now()
    known = {row.service_id: row for row in db.session.scalars(select(ServiceHealth))}
    states = [(one.service_id, health_state(one, known.get(one.service_id), now)) for one in services]
    yield gauge(
        "patchbay_service_state",
        "1 for the state a service is in, 0 for the others.",
        [({**labels[key], "state": each}, each == state) for key, state in states for each in STATE_ORDER],
    )
    rows = [(labels[key], row) for key, row in known.items() if key in labels]
    took = [(at, row.latency_ms / 1000) for at, row in rows if row.latency_ms is not None]
    yield gauge("patchbay_check_duration_seconds", "How long the last check of a service took.", took)
    seen = [(at, row.checked_at.timestamp()) for at, row in rows if row.checked_at]
    yield gauge("patchbay_check_timestamp_seconds", "When a service was checked last.", seen)


def _breakers(services: Sequence[Service], labels: Mapping[str, Labels]) -> Iterator[Family]:
    """The worst breaker of each service, as long as the store that all processes share answers."""
    found = gates(runtime(), services)
    up = not getattr(runtime().state, "degraded", False) and (bool(found) or not services)
    yield gauge("patchbay_state_store_up", "Whether the shared counters can be read.", [({}, up)])
    yield gauge(
        "patchbay_breaker_state",
        "1 for the state a breaker is in, 0 for the others.",
        [
            ({**labels[key], "state": each}, each == gate.state)
            for key, gate in (found.items() if up else ())
            for each in (CLOSED, HALF_OPEN, OPEN, "forced_open", "forced_closed")
        ],
    )


def _incidents(labels: Mapping[str, Labels]) -> Iterator[Family]:
    rows = db.session.execute(
        select(Incident.subject, Incident.acknowledged_at).where(Incident.closed_at.is_(None))
    ).all()
    waiting = sum(row.acknowledged_at is None for row in rows)
    yield gauge("patchbay_incidents_open", "Incidents that have not ended.", [({}, len(rows))])
    yield gauge("patchbay_incidents_unacknowledged", "Of them, those nobody looks after.", [({}, waiting)])
    mine = {row.subject for row in rows}
    yield gauge(
        "patchbay_service_incident",
        "Whether an incident of a service has not ended.",
        [(at, key in mine) for key, at in labels.items()],
    )


def _works() -> Iterator[Family]:
    """Patchbay itself: who checks, and what waits."""
    until = db.session.scalar(select(func.max(Lease.until)).where(Lease.name == "monitor"))
    now = runtime().clock.now()
    alive = until is not None and now < until
    yield gauge("patchbay_scheduler_up", "Whether a process looks after the checks.", [({}, alive)])
    left: list[Any] = [({}, (until - now).total_seconds())] if until else []
    yield gauge(
        "patchbay_scheduler_lease_seconds",
        "For how long it still will, unless it renews; below 0 is over.",
        left,
    )
    backlog = runtime().recorder.backlog()
    yield gauge("patchbay_journal_bytes", "What waits for the log on this machine.", [({}, backlog.all)])
