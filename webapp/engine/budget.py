"""The retry budget: when a service fails for everyone, retries must not become the larger part of its load."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from adapters.kit import Clock

MOST = 20.0
EARNED_BY_SUCCESS = 0.1
EARNED_PER_S = 0.1


@dataclass
class _Purse:
    tokens: float
    at: float


class Budget:
    """Tokens per service in this process: a retry costs one, a first attempt that succeeds earns a tenth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._purses: dict[str, _Purse] = {}

    def has(self, key: str) -> bool:
        """Whether one retry could be paid for."""
        with self._lock:
            return self._purse(key).tokens >= 1

    def spend(self, key: str) -> bool:
        """Pay for one retry; False when there is nothing to pay with."""
        with self._lock:
            purse = self._purse(key)
            if purse.tokens < 1:
                return False
            purse.tokens -= 1
            return True

    def earn(self, key: str) -> None:
        """A first attempt succeeded."""
        if key not in self._purses:
            return  # still full
        with self._lock:
            purse = self._purse(key)
            purse.tokens = min(MOST, purse.tokens + EARNED_BY_SUCCESS)

    def _purse(self, key: str) -> _Purse:
        now = self._clock.monotonic()
        purse = self._purses.setdefault(key, _Purse(MOST, now))
        purse.tokens = min(MOST, purse.tokens + max(0.0, now - purse.at) * EARNED_PER_S)
        purse.at = now
        return purse
