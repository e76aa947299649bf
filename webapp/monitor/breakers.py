"""The breakers in front of many services, read in one go for the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from webapp.engine import breaker
from webapp.engine.breakers import breaker_keys, name_of
from webapp.engine.overrides import in_force
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.state import StateDown

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_GRAVITY = {breaker.CLOSED: 0, breaker.HALF_OPEN: 1, breaker.OPEN: 2}


@dataclass(frozen=True, slots=True)
class Gate:
    """How the breaker of a service stands: closed, half_open, open, forced_open or forced_closed, and until when."""

    state: str
    until: datetime | None = None


def gates(runtime: Runtime, services: Sequence[Service]) -> dict[str, Gate]:
    """The worst breaker of each service; empty while the shared counters cannot be read."""
    keys = {
        one.service_id: breaker_keys(runtime.catalog, one.service_id, one.service_type) for one in services
    }
    names = [name_of(key) for each in keys.values() for key in each]
    try:
        docs, _ = runtime.state.read(names) if names else ([], 0.0)
    except StateDown:
        return {}
    found = dict(zip(names, docs, strict=True))
    now = runtime.clock.now()
    return {
        one.service_id: _gate(one, [found[name_of(key)] for key in keys[one.service_id]], now)
        for one in services
    }


def _gate(service: Service, docs: Sequence[Any], now: datetime) -> Gate:
    if override := in_force(service.breaker_override, now):
        return Gate(f"forced_{override['state']}")
    worst = max((doc for doc in docs if doc), key=lambda doc: _GRAVITY[doc["state"]], default=None)
    if worst is None:
        return Gate(breaker.CLOSED)
    is_open = worst["state"] == breaker.OPEN
    return Gate(worst["state"], datetime.fromtimestamp(worst["until"], UTC) if is_open else None)
