"""Writing what checks found: the state of each service, the check itself and the sums of its hour, in one go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.db import begin_write
from webapp.models.health import HealthCheck, HealthHour, ServiceHealth
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.findings import BAD, GOOD, Finding
from webapp.monitor.states import Health, after_check, joined, tone_of
from webapp.registry.condition import is_held
from webapp.registry.fields import HealthPolicy

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_health, _hours = cast("Table", ServiceHealth.__table__), cast("Table", HealthHour.__table__)
_checks = cast("Table", HealthCheck.__table__)
_COUNTED = {"ok": "up", "warn": "warned", "bad": "down"}
# A service is checked again a little before its interval ends, at a moment of its own, so that they spread.
EARLIEST, SPREAD = 850, 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finding about a service, and the thresholds that hold for it."""

    service_id: str
    policy: HealthPolicy
    finding: Finding


@dataclass(frozen=True, slots=True)
class _After:
    """A service before and after a check."""

    outcome: Outcome
    row: Mapping[str, Any]
    health: Health
    now: datetime

    @property
    def is_new(self) -> bool:
        return not self.row["state"]

    @property
    def is_excused(self) -> bool:
        until = self.row["maintenance_until"]
        return bool(until and self.now < until)


def write(runtime: Runtime, outcomes: Sequence[Outcome]) -> int:
    """Write many in one transaction; a service deleted meanwhile is left alone. Answers how many were written."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        begin_write(session, "health")  # somebody may check a service by hand meanwhile
        connection = session.connection()
        rows = _rows(connection, [outcome.service_id for outcome in outcomes])
        after = [_after(one, rows[one.service_id], now) for one in outcomes if one.service_id in rows]
        if after:
            _store(connection, after)
            connection.execute(insert(_checks), [_check(one) for one in after])
            _count(connection, [_sums(one) for one in after])
        session.commit()
    return len(after)


def _rows(connection: Connection, ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The health of the services that still exist; its columns are empty for one that was never checked."""
    query = (
        select(Service.service_id.label("id"), Service.breaker_override.label("override"), _health)
        .outerjoin(_health, _health.c.service_id == Service.service_id)
        .where(Service.service_id.in_(list(ids)), Service.deleted_at.is_(None))
    )
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _after(outcome: Outcome, row: Mapping[str, Any], now: datetime) -> _After:
    previous = previous_of(row) if row["state"] else None
    held = is_held(row["override"], row["gate"], row["gate_until"], now)
    health = after_check(outcome.finding, previous, outcome.policy, now, held=held)
    return _After(outcome, row, health, now)


def previous_of(row: Mapping[str, Any]) -> Health:
    """A stored state, as the next one is made from it."""
    falls = tuple(datetime.fromisoformat(fall) for fall in row["falls"] or ())
    return Health(row["state"], row["since"], row["consecutive_failures"], row["code"], row["marks"], falls)


def _store(connection: Connection, after: Sequence[_After]) -> None:
    new = [_state(one) for one in after if one.is_new]
    old = [{f"new_{name}": value for name, value in _state(one).items()} for one in after if not one.is_new]
    if new:
        connection.execute(insert(_health), new)
    if old:
        names = [name.removeprefix("new_") for name in old[0]]
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names if name != "service_id"}
        connection.execute(
            update(_health).where(_health.c.service_id == bindparam("new_service_id")).values(values), old
        )


def _state(one: _After) -> dict[str, Any]:
    finding, health = one.outcome.finding, one.health
    probed = finding.source == "probe"
    return {
        "service_id": one.outcome.service_id,
        "state": health.state,
        "since": health.since,
        "checked_at": one.now,
        "latency_ms": finding.latency_ms,
        "code": health.code,
        "detail": {"verdict": finding.verdict, "stages": finding.stages, "source": finding.source},
        "consecutive_failures": health.failures,
        "marks": health.marks,
        "falls": joined(health.falls),
        "checked_s": int(one.now.timestamp()),
        "spread": spread(one.outcome.service_id, one.now),
        "probed_at": one.now if probed else one.row["probed_at"],
    }


def spread(service_id: str, checked_at: datetime) -> int:
    """After how many thousandths of its interval a service is due again."""
    digest = hashlib.blake2b(f"{service_id}{checked_at.timestamp():.0f}".encode(), digest_size=2).digest()
    return EARLIEST + SPREAD * int.from_bytes(digest) // 65_536


def _check(one: _After) -> dict[str, Any]:
    finding = one.outcome.finding
    telling = finding.mark != GOOD or one.health.state != one.row["state"]
    return {
        "service_id": one.outcome.service_id,
        "at": one.now,
        "source": finding.source,
        "mark": finding.mark,
        "state": one.health.state,
        "verdict": finding.verdict,
        "code": finding.code,
        "latency_ms": finding.latency_ms,
        "stages": finding.stages if telling else [_brief(stage) for stage in finding.stages],
    }


def _brief(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Of a check like the ones before it only which stages it had and how long they took."""
    return {name: stage[name] for name in ("name", "status", "duration_ms")}


def _sums(one: _After) -> dict[str, Any]:
    tone = tone_of(one.health.state)
    excused = one.is_excused and (tone == "bad" or one.outcome.finding.mark in BAD)
    counted = "excused" if excused else _COUNTED.get(tone, "warned")
    start = one.now.replace(minute=0, second=0, microsecond=0)
    zeros = {"up": 0, "warned": 0, "down": 0, "excused": 0}
    return {
        "service_id": one.outcome.service_id, "start": start,
        **zeros, counted: 1, "latency_sum": one.outcome.finding.latency_ms,
    }  # fmt: skip


def _count(connection: Connection, sums: Sequence[dict[str, Any]]) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = make(_hours)
    names = ("up", "warned", "down", "excused", "latency_sum")
    grown = {name: _hours.c[name] + added.excluded[name] for name in names}
    connection.execute(
        added.on_conflict_do_update(index_elements=["service_id", "start"], set_=grown), list(sums)
    )
