"""What was fetched from somewhere else, kept for a while: fresh, then usable while its source is away."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webapp.vault.errors import Corrupt, KeyMissing, ProviderError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    value: T
    since: float
    fresh_s: float

    def __repr__(self) -> str:
        return "_Held()"


@dataclass(frozen=True, slots=True)
class _Failure:
    error: ProviderError
    since: float


class Cache(Generic[T]):
    """By name; time is monotonic, and one thread at a time fetches a name.

    What is older than `fresh_s` is fetched again; while that fails it serves on until it is `usable_s` old.
    A failure is remembered for `failed_s`. `jitter` shortens the fresh time at random by up to that part.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        fresh_s: float,
        usable_s: float,
        failed_s: float,
        size: int,
        jitter: float = 0.0,
    ) -> None:
        self._now = monotonic
        self._fresh_s, self._usable_s, self._failed_s = fresh_s, usable_s, failed_s
        self._size, self._jitter = size, jitter
        self.cleared = 0  # how often everything was forgotten
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held[T]] = OrderedDict()
        self._failures: dict[str, _Failure] = {}
        self._flights: dict[str, threading.Lock] = {}

    def get(self, name: str, fetch: Callable[[], T]) -> T:
        """Return what is held, fetching it when it is not fresh; raises what the fetching raised."""
        held = self._fresh(name)
        if held:
            return held.value
        with self._flight(name):
            held = self._fresh(name)
            return held.value if held else self._fetch(name, fetch)

    def drop(self, name: str) -> None:
        """Forget one name, so that the next use fetches it."""
        with self._lock:
            self._held.pop(name, None)
            self._failures.pop(name, None)

    def clear(self) -> None:
        """Forget everything, failures too."""
        with self._lock:
            self._held.clear()
            self._failures.clear()
            self.cleared += 1

    def age(self, name: str) -> float | None:
        """How many seconds ago a name was fetched; None for what is not held."""
        held = self._held.get(name)
        return self._now() - held.since if held else None

    def _fresh(self, name: str) -> _Held[T] | None:
        held = self._held.get(name)
        return held if held and self._now() - held.since < held.fresh_s else None

    def _fetch(self, name: str, fetch: Callable[[], T]) -> T:
        failure, held = self._failures.get(name), self._held.get(name)
        if failure is None or self._now() - failure.since >= self._failed_s:
            try:
                return self._keep(name, fetch())
            except ProviderError as error:
                failure = self._failures[name] = _Failure(error, self._now())
        # What is aged serves on while its source is away or refuses us, which may be a mistake in its policy;
        # not when the source says that it does not exist or does not fit.
        if held and not isinstance(failure.error, Corrupt | KeyMissing):
            if self._now() - held.since < self._usable_s:
                return held.value
            self._held.pop(name, None)
        raise type(failure.error)(str(failure.error))

    def _keep(self, name: str, value: T) -> T:
        fresh_s = self._fresh_s * (1 - self._jitter * random.random())  # noqa: S311 - spreads refreshes
        with self._lock:
            self._failures.pop(name, None)
            self._held[name] = _Held(value, self._now(), fresh_s)
            self._held.move_to_end(name)
            while len(self._held) > self._size:
                oldest, _ = self._held.popitem(last=False)
                self._flights.pop(oldest, None)
        return value

    def _flight(self, name: str) -> threading.Lock:
        with self._lock:
            return self._flights.setdefault(name, threading.Lock())
