"""A clock on which waiting costs nothing: sleeping moves it on, and so can the drill."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class DrillClock:
    """Runs like any other, and is ahead by everything that was slept or skipped."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time of day on this clock, aware, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.skip(max(0.0, seconds))

    def skip(self, seconds: float) -> None:
        """Let time pass that nobody has to wait for."""
        with self._lock:
            self._ahead += seconds
