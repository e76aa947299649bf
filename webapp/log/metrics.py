"""What pages and programs ask of the roll-ups: a range of time, its course, and how the time before it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

from adapters.kit import Clock
from webapp.log import rollups_read
from webapp.log.rollups_read import KEPT_S, Part
from webapp.log.rollups_sum import together
from webapp.log.rollups_tally import DAY_S, HOUR_S, MINUTE_S, SERVICE, Tally

LONGEST_S = KEPT_S[DAY_S]


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time up to now, in steps that begin with whole minutes, hours or days."""

    count: int
    step_s: int

    @property
    def span_s(self) -> int:
        """How long it is."""
        return self.count * self.step_s

    def start_s(self, now_s: int) -> int:
        """Where it begins, so that its last step is the running one."""
        return now_s - now_s % self.step_s - (self.count - 1) * self.step_s

    def course(self, connection: Connection, scope: str, key: str, start_s: int) -> list[Tally]:
        """The sum of each step."""
        return rollups_read.series(
            connection, scope, key, start_s=start_s, step_s=self.step_s, count=self.count
        )


RANGES: Mapping[str, Range] = {
    "1h": Range(60, MINUTE_S),
    "6h": Range(72, 5 * MINUTE_S),
    "24h": Range(24, HOUR_S),
    "7d": Range(56, 3 * HOUR_S),
    "30d": Range(30, DAY_S),
    "90d": Range(90, DAY_S),
    "400d": Range(100, 4 * DAY_S),
}
USUAL = "24h"


@dataclass(frozen=True, slots=True)
class Metrics:
    """One subject over one range: its sum, that of as long a time before, and a sum for each step."""

    name: str
    start: datetime
    end: datetime
    step: timedelta
    now: Tally
    before: Tally | None  # None where the roll-ups do not reach back that far
    steps: Sequence[Tally] = field(default_factory=tuple)

    @property
    def starts(self) -> list[datetime]:
        """When each step begins."""
        return [self.start + self.step * place for place in range(len(self.steps))]


class MetricStore:
    """Reads the roll-ups. Each method is one short look of its own."""

    def __init__(self, engine: Engine, clock: Clock, settle: Callable[[], object] = lambda: None) -> None:
        """`settle` brings what this process wrote into the tables, so that it reads its own words."""
        self._engine = engine
        self._clock = clock
        self._settle = settle

    def look(self, name: str, scope: str, key: str = "", *, steps: bool = True) -> Metrics:
        """One subject over a range (a key of RANGES)."""
        wanted, now_s = RANGES[name], self._now_s()
        start_s = wanted.start_s(now_s)
        parts = rollups_read.cover(start_s, now_s, now_s)
        with self._reading() as connection:
            course = wanted.course(connection, scope, key, start_s) if steps else ()
            whole = together(course) if steps else rollups_read.total(connection, scope, key, parts)
            before = self._before(connection, scope, key, start_s, now_s)
        step = timedelta(seconds=wanted.step_s)
        return Metrics(name, _moment(start_s), self._clock.now(), step, whole, before, course)

    def busiest(self, name: str, scope: str, limit: int = 20) -> list[tuple[str, Tally]]:
        """The keys of a scope with the most traffic in a range, complete with codes and latencies."""
        now_s = self._now_s()
        parts = rollups_read.cover(RANGES[name].start_s(now_s), now_s, now_s)
        with self._reading() as connection:
            keys = [key for key, _ in rollups_read.ranking(connection, scope, parts, limit)]
            sums = rollups_read.totals_of(connection, scope, keys, parts)
        return [(key, sums[key]) for key in keys if key in sums]

    def between(self, scope: str, key: str, start: datetime, end: datetime) -> Tally:
        """Everything of a subject from one moment to another, to the minute (to the hour after two days)."""
        with self._reading() as connection:
            return rollups_read.total(connection, scope, key, self._parts(start, end))

    def course(self, scope: str, key: str, start: datetime, step: timedelta, count: int) -> list[Tally]:
        """A sum for each of `count` steps; start and step are whole minutes."""
        with self._reading() as connection:
            return rollups_read.series(
                connection, scope, key,
                start_s=int(start.timestamp()), step_s=int(step.total_seconds()), count=count,
            )  # fmt: skip

    def rates(self, hours: int = 24) -> dict[str, tuple[int, int]]:
        """For each service with traffic: attempts that ended and how many succeeded."""
        now = self._clock.now()
        with self._reading() as connection:
            found = rollups_read.ranking(connection, SERVICE, self._parts(now - timedelta(hours=hours), now))
        return {key: (tally.total, tally.succeeded) for key, tally in found}

    def ever(self, *scopes: str) -> dict[str, dict[str, Tally]]:
        """The sums since the beginning, by scope and key."""
        with self._engine.connect() as connection:
            return {scope: rollups_read.ever(connection, scope) for scope in scopes}

    def _before(self, connection: Connection, scope: str, key: str, start_s: int, now_s: int) -> Tally | None:
        """The same length of time before, so that a day that has just begun is not held against a whole one."""
        earlier_s = start_s - (now_s - start_s)
        if earlier_s < now_s - LONGEST_S:
            return None
        return rollups_read.total(connection, scope, key, rollups_read.cover(earlier_s, start_s, now_s))

    def _parts(self, start: datetime, end: datetime) -> list[Part]:
        return rollups_read.cover(int(start.timestamp()), int(end.timestamp()), self._now_s())

    def _now_s(self) -> int:
        return int(self._clock.now().timestamp())

    def _reading(self) -> Connection:
        self._settle()
        return self._engine.connect()


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
