"""A store of one process: what stands in while the shared one is away."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Sequence

from adapters.kit import Clock
from webapp.state.store import DAY_S, Change, Doc, Store, T

_SWEEP_AT = 10_000


class MemoryStore(Store):
    """Documents in a dictionary; a forked child starts with a copy."""

    cache_s = 0.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._docs: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        _stores.add(self)

    def read(self, keys: Sequence[str]) -> tuple[list[Doc | None], float]:
        """The documents of these keys, and the time."""
        now = self._now()
        return [self._doc(key, now) for key in keys], now

    def update(self, key: str, change: Change[T], *, ttl_s: float = DAY_S, strict: bool = False) -> T:  # noqa: ARG002
        """Change one document, alone."""
        with self._lock:
            now = self._now()
            doc, answer = change(self._doc(key, now), now)
            if doc is not None:
                self._docs[key] = (now + ttl_s, json.dumps(doc))
                self._sweep(now)
        return answer

    def forget(self, key: str) -> None:
        """Delete a document."""
        self._docs.pop(key, None)

    def close(self) -> None:
        """Nothing is open."""

    def after_fork(self) -> None:
        """Another thread may have held the lock when the process was forked."""
        self._lock = threading.Lock()

    def _doc(self, key: str, now: float) -> Doc | None:
        until, text = self._docs.get(key, (0.0, ""))
        return json.loads(text) if until > now else None

    def _sweep(self, now: float) -> None:
        if len(self._docs) > _SWEEP_AT:
            self._docs = {key: kept for key, kept in self._docs.items() if kept[0] > now}

    def _now(self) -> float:
        return self._clock.now().timestamp()


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
