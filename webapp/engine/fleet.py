"""The cap of a service over all processes: so many attempts at once, each holding a lease that ends by itself."""

from __future__ import annotations

import random
from typing import Any

from adapters.kit import Clock
from webapp.engine.bulkhead import WAIT_S
from webapp.state import Store

GRACE_S = 5.0  # how much longer than the attempt a lease lasts, for a process that died
_LOOK_EVERY_S = 0.02
_ID_BITS = 48

Doc = dict[str, Any]


def lend(doc: Doc | None, now: float, limit: int, lease: str, ttl_s: float) -> tuple[Doc | None, bool]:
    """The document with one more lease, and whether there was room for it."""
    held = _held(doc, now, ttl_s)
    if len(held) >= limit:
        return None, False
    return {"held": held | {lease: now + ttl_s}}, True


def give_back(doc: Doc | None, now: float, lease: str, ttl_s: float) -> Doc | None:
    """The document without a lease; None when it was not there any more."""
    if doc is None or lease not in doc["held"]:
        return None
    held = _held(doc, now, ttl_s)
    held.pop(lease, None)
    return {"held": held}


def _held(doc: Doc | None, now: float, ttl_s: float) -> dict[str, float]:
    """The leases that still count; one that ends too late belongs to a clock that was set back."""
    held = doc["held"] if doc else {}
    return {lease: until for lease, until in held.items() if now < until <= now + 2 * ttl_s}


class Fleet:
    """Lends slots of a service to the attempts of every process."""

    def __init__(self, store: Store, clock: Clock, rng: random.Random) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng

    def enter(self, key: str, limit: int, timeout_s: float) -> str | None:
        """Take a slot, waiting a moment for one: the lease, or None when there was no room."""
        lease, ttl_s = f"{self._rng.getrandbits(_ID_BITS):x}", timeout_s + GRACE_S
        for turn in range(1 + round(WAIT_S / _LOOK_EVERY_S)):
            if turn:
                self._clock.sleep(_LOOK_EVERY_S)
            if self._store.update(
                _name(key), lambda doc, now: lend(doc, now, limit, lease, ttl_s), ttl_s=2 * ttl_s
            ):
                return lease
        return None

    def leave(self, key: str, lease: str, timeout_s: float) -> None:
        """Give the slot back."""
        ttl_s = timeout_s + GRACE_S
        self._store.update(
            _name(key), lambda doc, now: (give_back(doc, now, lease, ttl_s), None), ttl_s=2 * ttl_s
        )

    def held(self, key: str) -> int:
        """How many slots are held now, in all processes."""
        (doc,), now = self._store.read([_name(key)])
        return sum(until > now for until in (doc or {"held": {}})["held"].values())


def _name(key: str) -> str:
    return f"fleet:{key}"
