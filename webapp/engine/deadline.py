"""The time a call may take, all of its waits and services together."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.kit import Clock

DEFAULT_MS = 20_000
MOST_MS = 45_000
LEAST_ATTEMPT_S = 0.5
ATTEMPT_DEFAULT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which nothing new is begun."""

    clock: Clock
    began: float
    ends: float

    @classmethod
    def after(cls, clock: Clock, milliseconds: int) -> Deadline:
        """A deadline so far from now."""
        began = clock.monotonic()
        return cls(clock, began, began + milliseconds / 1000)

    def remaining(self) -> float:
        """Seconds that are left; negative when it has passed."""
        return self.ends - self.clock.monotonic()

    def allows_attempt(self) -> bool:
        """Whether another attempt could still be answered in time."""
        return self.remaining() >= LEAST_ATTEMPT_S

    def attempt_timeout(self, default_timeout_ms: int | None) -> float:
        """Seconds one attempt may take: what its service allows, within what is left."""
        return min((default_timeout_ms or ATTEMPT_DEFAULT_MS) / 1000, self.remaining())

    def elapsed_ms(self) -> int:
        """Milliseconds since the call began."""
        return round((self.clock.monotonic() - self.began) * 1000)
