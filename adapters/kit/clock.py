"""Time as a value that is passed in, never fetched from the middle of the work."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the kit and the engine may ask about time."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass
class FixedClock:
    """A clock that moves only when told to, for tests and examples."""

    at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)
    passed: float = 0.0

    def now(self) -> datetime:
        """Return the time it was set to plus what was added since."""
        return self.at + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Return the seconds that were added."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Remember the wait and move on at once."""
        self.slept.append(seconds)
        self.passed += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds
