"""The shared store and what stands in for it: calls go on while it is down, each process with its share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from adapters.kit import Clock
from webapp.state.gcra import Rate
from webapp.state.memory import MemoryStore
from webapp.state.store import DAY_S, Change, Doc, StateDown, Store, T

_FAILURES, _REST_S, _LOG_EVERY_S = 3, 30.0, 60.0
_log = logging.getLogger(__name__)


class FallbackStore(Store):
    """Asks the shared store; after three failures in a row it is left alone for 30 seconds.

    Meanwhile breakers and quotas count per process, and limits are divided by the number of processes.
    """

    def __init__(self, shared: Store, clock: Clock, processes: int) -> None:
        self.shared = shared
        self.cache_s = shared.cache_s
        self._local = MemoryStore(clock)
        self._clock = clock
        self._processes = processes
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = 0.0
        self._logged_at: float | None = None

    @property
    def degraded(self) -> bool:
        """Whether the last answer came from the stand-in."""
        return self._failures > 0

    def read(self, keys: Sequence[str]) -> tuple[list[Doc | None], float]:
        """The documents of these keys, and the time."""
        return self._do(lambda: self.shared.read(keys), lambda: self._local.read(keys))

    def update(self, key: str, change: Change[T], *, ttl_s: float = DAY_S, strict: bool = False) -> T:
        """Change one document; raises StateDown only when `strict` forbids the stand-in."""
        local = None if strict else lambda: self._local.update(key, change, ttl_s=ttl_s)
        return self._do(lambda: self.shared.update(key, change, ttl_s=ttl_s), local)

    def forget(self, key: str) -> None:
        """Delete a document, here and there."""
        self._local.forget(key)
        self._do(lambda: self.shared.forget(key), lambda: None)

    def take(self, key: str, rate: Rate, *, cost: float = 1, patience_s: float = 0) -> float:
        """Ask a limiter; the stand-in has this process's share of it."""
        share = rate.scaled(1 / self._processes)
        return self._do(
            lambda: self.shared.take(key, rate, cost=cost, patience_s=patience_s),
            lambda: self._local.take(key, share, cost=cost, patience_s=patience_s),
        )

    def give_back(self, key: str, rate: Rate, *, cost: float = 1) -> None:
        """Return calls that were taken but never made."""
        self._do(lambda: self.shared.give_back(key, rate, cost=cost), lambda: None)

    def close(self) -> None:
        """Close the shared store."""
        self.shared.close()

    def _do(self, work: Callable[[], T], local: Callable[[], T] | None) -> T:
        if self._clock.monotonic() >= self._rests_until:
            try:
                answer = work()
            except StateDown as down:
                self._failed(down)
            else:
                self._failures = 0
                return answer
        if local is None:
            raise StateDown("the shared store is down and nothing may stand in for it")
        return local()

    def _failed(self, down: StateDown) -> None:
        with self._lock:
            now = self._clock.monotonic()
            self._failures += 1
            if self._failures >= _FAILURES:
                self._rests_until = now + _REST_S
            if self._logged_at is not None and now - self._logged_at < _LOG_EVERY_S:
                return
            self._logged_at = now
        _log.warning(
            "STATE_STORE_DEGRADED: the store of shared counters does not answer (%s); "
            "each of %d processes counts for itself.",
            down,
            self._processes,
        )
