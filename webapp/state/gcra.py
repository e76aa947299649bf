"""The generic cell rate algorithm: a token bucket in one number, the theoretical arrival time of the next call."""

from __future__ import annotations

from dataclasses import dataclass

MOST_PATIENCE_S = 1.0
NOTHING_S = 1e-6  # what rounding makes of no wait at all


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a second on average, and so many at once."""

    per_second: float
    burst: int = 1

    @property
    def interval_s(self) -> float:
        """Seconds between two calls at the average rate."""
        return 1 / self.per_second

    @property
    def window_s(self) -> float:
        """Seconds in which a whole burst is earned."""
        return self.interval_s * self.burst

    def scaled(self, factor: float) -> Rate:
        """The same limit for a share of the calls; at least one call may always start at once."""
        return Rate(self.per_second * factor, max(1, int(self.burst * factor)))


def take(
    arrival: float | None, now: float, rate: Rate, cost: float, patience_s: float
) -> tuple[float | None, float]:
    """Ask for `cost` calls: the new arrival time and the seconds to wait before starting.

    A wait within `patience_s` (at most one second) is a reservation: whoever waits it may start. A longer one
    takes nothing and the arrival time is None. An arrival time far ahead means that the clock was set back.
    """
    patience_s = min(patience_s, MOST_PATIENCE_S)
    if arrival is None or arrival > now + 2 * (rate.window_s + MOST_PATIENCE_S):
        arrival = now
    after = max(arrival, now) + min(cost, rate.burst) * rate.interval_s
    wait = after - rate.window_s - now
    wait = wait if wait > NOTHING_S else 0.0
    return (after, wait) if wait <= patience_s else (None, wait)
