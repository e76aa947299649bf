"""Breakers that open and close: the health of their services says so at once, not only after the next checks.

The processes that make calls only say that something changed; the leading one looks and writes. A call costs no
write for it, and a service whose breaker stays closed is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm import Session

from webapp.db import begin_write
from webapp.engine.breaker import OPEN
from webapp.models.health import ServiceHealth
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.monitor.breakers import Gate, gates
from webapp.monitor.results import previous_of
from webapp.monitor.states import after_tripping, joined
from webapp.registry.condition import HALF_OPEN

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_health = cast("Table", ServiceHealth.__table__)
# The same moment, as far as the store and the database can tell.
_SAME_S = 1.0


def heed(runtime: Runtime) -> bool:
    """Write how breakers stand where that has changed; returns whether one of them is not closed, or was not."""
    told = set(runtime.gates.tripped.take())
    with runtime.sessions() as session:
        known = session.scalars(select(ServiceHealth.service_id).where(ServiceHealth.gate.is_not(None))).all()
        services = _services(session, told.union(known))
        session.expunge_all()
    if not services and not known:
        return False
    now = runtime.clock.now()
    found = gates(runtime, services)
    if not getattr(runtime.state, "degraded", False):  # else nobody knows how the shared breakers stand
        wanted = {one.service_id: found[one.service_id] for one in services if one.service_id in found}
        _write(runtime, wanted | {id_: Gate("closed") for id_ in set(known) - set(wanted)}, now)
    return True


def _services(session: Session, ids: set[str]) -> Sequence[Service]:
    wanted = select(Service).where(
        Service.service_id.in_(ids), Service.is_enabled, Service.deleted_at.is_(None)
    )
    return session.scalars(wanted).all() if ids else ()


def _write(runtime: Runtime, wanted: Mapping[str, Gate], now: datetime) -> None:
    with runtime.sessions() as session:
        begin_write(session, "health")
        rows = {
            row["service_id"]: dict(row)
            for row in session.execute(select(_health).where(_health.c.service_id.in_(wanted))).mappings()
        }
        for service_id, gate in wanted.items():
            if values := _changes(rows.get(service_id), gate, now):
                _store(session, service_id, values, is_new=service_id not in rows)
        session.commit()


def _changes(row: Mapping[str, Any] | None, gate: Gate, now: datetime) -> dict[str, Any]:
    """What is to be written; nothing while all is as before."""
    state = gate.state if gate.state in {OPEN, HALF_OPEN} else None
    before, until = (row["gate"], row["gate_until"]) if row else (None, None)
    if state == before and (state != OPEN or _is_same(until, gate.until)):
        return {}
    # It is checked at the next turn: what the calls found is confirmed, and what works again is seen.
    values = {"gate": state, "gate_until": gate.until if state == OPEN else None, "checked_s": 0}
    if state != OPEN:
        return values
    health = after_tripping(previous_of(row) if row else None, now)
    return values | {
        "state": health.state, "since": health.since, "code": health.code, "marks": health.marks,
        "falls": joined(health.falls), "probed_at": None,
    }  # fmt: skip


def _is_same(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs((one - other).total_seconds()) < _SAME_S


def _store(session: Session, service_id: str, values: Mapping[str, Any], *, is_new: bool) -> None:
    if is_new and values["gate"] == OPEN:
        session.execute(insert(_health).values(service_id=service_id, consecutive_failures=0, **values))
    elif not is_new:
        session.execute(update(_health).where(_health.c.service_id == service_id).values(**values))
