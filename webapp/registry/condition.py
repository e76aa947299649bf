"""How a service is, put together from its checks, its breaker, an operator's word and maintenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from webapp.models.health import ServiceHealth
from webapp.models.service import Service
from webapp.registry.overrides import in_force

# The codes of an outage that is not the finding of a check.
TRIPPED, FORCED_OPEN = "CIRCUIT_OPEN", "CIRCUIT_FORCED_OPEN"
OPEN, HALF_OPEN = "open", "half_open"
_LATE_AFTER_INTERVALS = 2
_NEVER_LATE = frozenset({"unknown", "disabled", "maintenance"})
_OUTAGES = frozenset({"down", "reauth"})


@dataclass(frozen=True, slots=True)
class HealthColumns:
    """The health of a listed service, named as in its own table."""

    state: str
    since: datetime
    checked_at: datetime | None
    latency_ms: int | None
    code: str | None
    detail: Mapping[str, Any] | None
    consecutive_failures: int
    maintenance_until: datetime | None
    gate: str | None
    gate_until: datetime | None


# A stored service and its health, as models or as the columns of a list.
ServiceColumns = Service | Row[Any]
HealthRow = ServiceHealth | HealthColumns


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of a service as people see it; `open_until` tells how long its circuit stays open."""

    state: str
    since: datetime | None = None
    code: str | None = None
    open_until: datetime | None = None


def condition_of(service: ServiceColumns, health: HealthRow | None, now: datetime) -> Condition:
    """The worst of what is known, unless nobody checks or nobody minds; an outage outranks maintenance."""
    since, code = (health.since, health.code) if health else (None, None)
    if not service.is_enabled:
        return Condition("disabled", since, code)
    excused = bool(health and health.maintenance_until and now < health.maintenance_until)
    override = in_force(service.breaker_override, now)
    if override and override["state"] == OPEN:
        return _forced(override, excused=excused)
    if health is None:
        return Condition("unknown")
    gate = None if override else _gate(health, now)
    return _left_alone(health) if gate == OPEN else _passing(service, health, gate, now, excused=excused)


def health_state(service: ServiceColumns, health: HealthRow | None, now: datetime) -> str:
    """Only the state."""
    return condition_of(service, health, now).state


def is_held(
    override: Mapping[str, Any] | None, gate: str | None, until: datetime | None, now: datetime
) -> bool:
    """Whether no call passes now, so that good checks alone do not bring an outage to its end."""
    if forced := in_force(override, now):
        return bool(forced["state"] == OPEN)
    return gate == OPEN and (until is None or now < until)


def _forced(override: Mapping[str, Any], *, excused: bool) -> Condition:
    """An operator took it out of use: nothing is wrong with it, but no call passes."""
    until = override.get("until")
    return Condition(
        "maintenance" if excused else "down",
        datetime.fromisoformat(override["at"]),
        FORCED_OPEN,
        datetime.fromisoformat(until) if until else None,
    )


def _left_alone(health: HealthRow) -> Condition:
    """Its circuit is open, so it is down, whatever the last check said; that may have found even worse."""
    if health.state in _OUTAGES:
        return Condition(health.state, health.since, health.code, health.gate_until)
    return Condition("down", health.since, TRIPPED, health.gate_until)


def _passing(
    service: ServiceColumns, health: HealthRow, gate: str | None, now: datetime, *, excused: bool
) -> Condition:
    """Calls pass, or some do to see whether it works again: then it is not healthy yet."""
    state = _without_gate(service, health, now, excused=excused)
    if state == "down" and health.code == TRIPPED:
        return Condition("maintenance" if excused else "degraded", health.since, TRIPPED)
    if gate == HALF_OPEN and state in {"healthy", "pending", "unknown"}:
        return Condition("degraded", health.since, TRIPPED)
    return Condition(state, health.since, health.code)


def _gate(health: HealthRow, now: datetime) -> str | None:
    """How the breaker stands; one whose time is over lets the next call try."""
    if health.gate == OPEN and not is_held(None, health.gate, health.gate_until, now):
        return HALF_OPEN
    return health.gate


def _without_gate(service: ServiceColumns, health: HealthRow, now: datetime, *, excused: bool) -> str:
    """What the last checks said."""
    overdue = timedelta(seconds=service.health_interval_s * _LATE_AFTER_INTERVALS)
    checked = health.state not in _NEVER_LATE and health.checked_at
    late = bool(checked and health.checked_at and now - health.checked_at > overdue)
    if excused and (late or health.state not in _OUTAGES):
        return "maintenance"
    return "late" if late else str(health.state)
