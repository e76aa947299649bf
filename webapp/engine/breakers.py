"""The breakers of all services as one process sees them: what it may remember, and what it must ask the store."""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.kit import Catalog, Clock
from webapp.engine import breaker
from webapp.engine.breaker import Permit, Tally, Transition, Vote
from webapp.state import Store

_BETWEEN = ":"
_KEPT_S = 7 * 86_400.0
_FLUSH_S = 1.0


@dataclass
class _View:
    """What this process knows of one breaker."""

    doc: dict[str, Any] | None = None
    read_at: float | None = None
    told_at: float = 0.0
    good: dict[int, int] = field(default_factory=dict)
    failed: deque[float] = field(default_factory=lambda: deque(maxlen=breaker.IN_A_ROW))

    def take_good(self) -> dict[int, int]:
        """The successes nobody has been told of yet."""
        good, self.good = self.good, {}
        return good


class Breakers:
    """Asks the store only when something is wrong: while calls succeed, it is told about them once a second."""

    def __init__(
        self, store: Store, clock: Clock, rng: random.Random, tell: Callable[[str, Transition], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._tell = tell
        self.forget_all()
        _all.add(self)

    def forget_all(self) -> None:
        """Begin without memory, as a forked child must."""
        self._lock = threading.Lock()
        self._views: dict[str, _View] = {}
        self._ahead = 0.0

    def look(self, key: str) -> Mapping[str, Any] | None:
        """The document of a breaker, not older than the store allows; None when nothing was ever wrong."""
        view = self._view(key)
        now = self._clock.monotonic()
        if view.read_at is None or not 0 <= now - view.read_at < self._store.cache_s:
            (doc,), stored_now = self._store.read([name_of(key)])
            self._remember(view, doc, stored_now)
        return view.doc

    def wait(self, key: str) -> float:
        """Seconds until the breaker may let a call through; 0 when it may now. Takes nothing."""
        return breaker.wait_of(self.look(key), self.now())

    def is_spotless(self, key: str) -> bool:
        """Whether a breaker is closed and has nothing bad in its window, so that a success would tell it nothing."""
        doc = self.look(key)
        return doc is None or (doc["state"] == breaker.CLOSED and breaker.totals(doc)[1:] == (0, 0))

    def acquire(self, key: str) -> Permit | float:
        """A permit for one attempt, or the seconds to wait for one."""
        doc = self.look(key)
        if doc is None or doc["state"] == breaker.CLOSED:
            return Permit(doc["generation"] if doc else 0)
        if wait := breaker.wait_of(doc, self.now()):
            return wait
        jitter, before = self._rng.random(), doc["state"]

        def change(doc: Any, now: float) -> tuple[Any, tuple[Any, float, Permit | float]]:
            after, answer = breaker.ask(doc, now, jitter)
            return after, (after or doc, now, answer)

        known, now, answer = self._store.update(name_of(key), change, ttl_s=_KEPT_S)
        self._remember(self._view(key), known, now)
        if known and known["state"] == breaker.OPEN and before == breaker.HALF_OPEN:
            self._tell(key, Transition(before, breaker.OPEN, "stuck", *breaker.totals(known)))
        return answer

    def record(self, key: str, permit: Permit, vote: Vote, *, slow: bool = False) -> bool:
        """Say how an attempt went; False when the result came too late to count."""
        if vote is Vote.IGNORE:
            self.release(key, permit)
            return True
        view = self._view(key)
        late = view.doc is not None and view.doc["generation"] > permit.generation
        if late and not permit.only_counts:
            return False
        tally = self._count(view, permit, vote, slow=slow)
        return True if tally is None else self._send(key, view, permit, tally)

    def forget(self, key: str) -> None:
        """Begin anew: closed, with an empty window."""

        def change(doc: Any, now: float) -> tuple[Any, Any]:
            after = breaker.fresh(now, (doc["generation"] if doc else 0) + 1)
            return after, (after, now)

        doc, now = self._store.update(name_of(key), change, ttl_s=_KEPT_S)
        with self._lock:
            self._views[key] = _View()
        self._remember(self._view(key), doc, now)

    def now(self) -> float:
        """The store's time, as far as this process knows it."""
        return self._clock.monotonic() + self._ahead

    def _count(self, view: _View, permit: Permit, vote: Vote, *, slow: bool) -> Tally | None:
        """Add a vote to what this process knows; the tally to send, None while it can wait."""
        with self._lock:
            now = self._clock.monotonic()
            if vote is Vote.FAILURE:
                view.failed.append(now)
                recent = [at for at in view.failed if now - at <= breaker.IN_A_ROW_S]
                return Tally(view.take_good(), bad=1, slow=int(slow), in_a_row=len(recent))
            view.failed.clear()
            if slow:
                return Tally(view.take_good(), slow=1)
            bucket = breaker.bucket_of(self.now())
            view.good[bucket] = view.good.get(bucket, 0) + 1
            if not permit.probe and now - view.told_at < _FLUSH_S:
                return None
            view.told_at = now
            return Tally(view.take_good())

    def _send(self, key: str, view: _View, permit: Permit, tally: Tally) -> bool:
        jitter = self._rng.random()

        def change(doc: Any, now: float) -> tuple[Any, tuple[Any, float, bool, Transition | None]]:
            after, transition = breaker.vote(doc, now, permit, tally, jitter)
            return after, (after or doc, now, after is not None, transition)

        known, now, counted, transition = self._store.update(name_of(key), change, ttl_s=_KEPT_S)
        self._remember(view, known, now)
        if transition:
            view.failed.clear()
            self._tell(key, transition)
        return counted

    def release(self, key: str, permit: Permit) -> None:
        """Give a permit back that says nothing about the service."""
        if permit.probe:
            self._store.update(
                name_of(key), lambda doc, _now: (breaker.give_back(doc, permit), None), ttl_s=_KEPT_S
            )

    def _remember(self, view: _View, doc: dict[str, Any] | None, stored_now: float) -> None:
        now = self._clock.monotonic()
        self._ahead = stored_now - now
        view.doc, view.read_at = doc, now

    def _view(self, key: str) -> _View:
        view = self._views.get(key)
        if view is None:
            with self._lock:
                view = self._views.setdefault(key, _View())
        return view


def breaker_key(catalog: Catalog, service_id: str, service_type: str, operation: str) -> str:
    """What an operation is counted under: the service, and the group of it where its adapter tells them apart."""
    entry = catalog.get(service_type)
    group = entry.adapter.breaker_groups.get(operation) if entry and entry.adapter else None
    return f"{service_id}{_BETWEEN}{group}" if group else service_id


def breaker_keys(catalog: Catalog, service_id: str, service_type: str) -> list[str]:
    """Every breaker of a service, the one of the service itself first."""
    entry = catalog.get(service_type)
    groups = sorted(set(entry.adapter.breaker_groups.values())) if entry and entry.adapter else []
    return [service_id, *(f"{service_id}{_BETWEEN}{group}" for group in groups)]


def service_and_group(key: str) -> tuple[str, str]:
    """The service a breaker belongs to, and its group; empty for the service itself."""
    service_id, _, group = key.partition(_BETWEEN)
    return service_id, group


def name_of(key: str) -> str:
    """Under which name the document of a breaker lies in the store."""
    return f"breaker:{key}"


_all: weakref.WeakSet[Breakers] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.forget_all()


os.register_at_fork(after_in_child=_after_fork)
