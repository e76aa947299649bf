"""The limiter of a service: its rate, and the time it asked to be left alone, shared by all processes."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from typing import Any

from adapters.kit import Clock
from webapp.engine import pace
from webapp.engine.vendor_limits import VendorLimits
from webapp.state import Store
from webapp.state.gcra import MOST_PATIENCE_S

LEAST_ATTEMPT_S = 0.5


class Limiter:
    """Makes callers wait a little, or refuses them; learns from what services answer."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.forget_all()
        _all.add(self)

    def forget_all(self) -> None:
        """Begin without memory."""
        self._seen: dict[str, tuple[float, float, dict[str, Any] | None]] = {}

    def cool_s(self, key: str) -> float:
        """Seconds for which nobody should call the service."""
        doc, now = self._look(key)
        return pace.cool_s(doc, now)

    def take(
        self, key: str, limit: Mapping[str, Any] | None, remaining_s: float, *, cost: float = 1
    ) -> tuple[bool, float]:
        """Ask for one attempt: whether it may start, and after how many seconds, or when to ask again."""
        patience = max(0.0, min(MOST_PATIENCE_S, remaining_s - LEAST_ATTEMPT_S))
        doc, now = self._look(key)
        cool = pace.cool_s(doc, now)
        if cool > patience:
            return False, cool
        rate = pace.rate_of(limit, doc, now)
        if rate is None:
            return True, cool
        wait = max(cool, self._store.take(f"limit:{key}", rate, cost=cost, patience_s=patience))
        return wait <= patience, wait

    def give_back(self, key: str, limit: Mapping[str, Any] | None, *, cost: float = 1) -> None:
        """Return an attempt that was never made."""
        doc, now = self._look(key)
        if rate := pace.rate_of(limit, doc, now):
            self._store.give_back(f"limit:{key}", rate, cost=cost)

    def hear(self, key: str, said: VendorLimits, *, throttled: bool, limit: Mapping[str, Any] | None) -> None:
        """Obey what an answer said about limits; an answer without such words costs nothing."""
        wait_s = said.wait_s or (said.reset_s if throttled else None)
        if wait_s:
            self._learn(key, lambda doc, now: pace.cooled(doc, now, wait_s))
        elif throttled:
            self._learn(key, pace.slowed)
        elif limit and said.rate is not None and said.rate < float(limit["per_second"]):
            remaining, reset_s = said.remaining or 0, said.reset_s or 1.0
            self._learn(key, lambda doc, now: pace.lowered(doc, now, remaining, reset_s))

    def _learn(self, key: str, change: Any) -> None:
        def told(doc: Any, now: float) -> tuple[Any, tuple[Any, float]]:
            after = change(doc, now)
            return after, (after, now)

        doc, now = self._store.update(f"pace:{key}", told, ttl_s=pace.KEPT_S)
        self._seen[key] = (self._clock.monotonic(), now, doc)

    def _look(self, key: str) -> tuple[dict[str, Any] | None, float]:
        """What services said, not older than the store allows, and the store's time."""
        now = self._clock.monotonic()
        seen = self._seen.get(key)
        if seen is None or not 0 <= now - seen[0] < self._store.cache_s:
            (doc,), stored_now = self._store.read([f"pace:{key}"])
            seen = self._seen[key] = (now, stored_now, doc)
        return seen[2], seen[1] + now - seen[0]


_all: weakref.WeakSet[Limiter] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.forget_all()


os.register_at_fork(after_in_child=_after_fork)
