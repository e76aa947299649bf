"""The breakers in front of many services, read in one go for the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.engine import breaker
from webapp.engine.breakers import breaker_keys, name_of
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.overrides import in_force
from webapp.state import StateDown

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_AT_ONCE = 500  # a store takes only so many keys in one question
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
    docs: list[Any] = []
    try:
        for first in range(0, len(names), _AT_ONCE):
            docs += runtime.state.read(names[first : first + _AT_ONCE])[0]
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
    if worst["state"] != breaker.OPEN:
        return Gate(worst["state"])
    until = datetime.fromtimestamp(worst["until"], UTC)
    return Gate(breaker.OPEN, until) if now < until else Gate(breaker.HALF_OPEN)  # the next call tries


def story(runtime: Runtime, session: Session, service_id: str) -> dict[str, Any] | None:
    """What led to the last opening of a breaker of this service, as a stored message; None when nobody knows."""
    service = session.get(Service, service_id)
    if service is None:
        return None
    names = [name_of(key) for key in breaker_keys(runtime.catalog, service_id, service.service_type)]
    try:
        docs, _ = runtime.state.read(names)
    except StateDown:
        return None
    lines = [line for doc in docs if doc for line in doc["story"] if line["to"] == breaker.OPEN]
    if not lines:
        return None
    last = max(lines, key=lambda line: float(line["at"]))
    if not last["failures"]:
        text = N_(
            "%(slow)s of the last %(calls)s calls were too slow, so no call is let through for a while."
        )
        return Message.of(text, slow=last["slow"], calls=last["calls"]).to_dict()
    text = N_("%(failures)s of the last %(calls)s calls failed, so no call is let through for a while.")
    return Message.of(text, failures=last["failures"], calls=last["calls"]).to_dict()
