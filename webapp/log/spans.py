"""Stretches of time in equal steps that begin at round times, for bars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BARS_MAX = 60
_QUARTERS = 4
_STEPS_S = (
    1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in equal steps that begin at round times."""

    start: datetime
    step: timedelta
    count: int

    @classmethod
    def of(cls, start: datetime, end: datetime, most: int = BARS_MAX, *, least_s: int = 1) -> Span:
        """At most so many steps over a stretch; the first and the last may reach beyond it."""
        first, last = int(start.timestamp()), max(int(start.timestamp()) + 1, -int(-end.timestamp() // 1))
        fitting = (step for step in _steps() if step >= least_s and -(-last // step) - first // step <= most)
        step = next(fitting)
        stop = -(-last // step) * step
        count = -(-(stop - first) // step)
        count += -count % _QUARTERS  # so that the axis, which has four parts, says round times too
        return cls(datetime.fromtimestamp(stop - count * step, UTC), timedelta(seconds=step), count)

    @property
    def end(self) -> datetime:
        """Where it ends."""
        return self.start + self.step * self.count

    def at(self, place: int) -> datetime:
        """Where a step begins."""
        return self.start + self.step * place


def _steps() -> Iterator[int]:
    yield from _STEPS_S
    step = _STEPS_S[-1]
    while True:
        step *= 2
        yield step
