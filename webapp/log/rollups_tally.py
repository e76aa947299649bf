"""Counting ended attempts and calls, apart from any database: what a row adds, and to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeVar

from webapp.log.rollups_buckets import bucket_of, percentile
from webapp.log.rollups_tables import SUMS

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
ALL, SERVICE, CONTRACT, OPERATION, ROUTE = "all", "service", "contract", "operation", "route"
SCOPES = (ALL, SERVICE, CONTRACT, OPERATION, ROUTE)
Row = Mapping[Any, Any]
Key = TypeVar("Key", str, int)


class Place(NamedTuple):
    """What a tally is about: a scope, which of it, and the minute, hour or day."""

    scope: str
    key: str
    start_s: int


@dataclass(slots=True)
class Tally:
    """Sums over attempts (of a service) or calls (of everything else)."""

    total: int = 0
    succeeded: int = 0
    unknown: int = 0
    retried: int = 0  # succeeded at a later try
    retries: int = 0  # tries after the first
    fallbacks: int = 0  # done by a service that is not the first of its list
    cost: int = 0  # in millionths
    duration_ms: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    latencies: dict[int, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many ended badly for certain."""
        return self.total - self.succeeded - self.unknown

    @property
    def success_rate(self) -> float | None:
        """Between 0 and 1; None when there was nothing."""
        return self.succeeded / self.total if self.total else None

    def percentile(self, share: float) -> int | None:
        """The latency in ms that this share did not exceed."""
        return percentile(self.latencies, share)

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add what another one counted, or take it away."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))
        _grow(self.codes, other.codes, sign)
        _grow(self.latencies, other.latencies, sign)

    def set_sums(self, values: Iterable[Any]) -> Self:
        """Take over sums in the order of their columns; PostgreSQL hands added ones back as decimals."""
        for name, value in zip(SUMS, values, strict=True):
            setattr(self, name, int(value))
        return self

    def __bool__(self) -> bool:
        return bool(self.codes or self.latencies) or any(getattr(self, name) for name in SUMS)


def _grow(mine: dict[Key, int], theirs: Mapping[Key, int], sign: int) -> None:
    for key, count in theirs.items():
        if grown := mine.get(key, 0) + sign * count:
            mine[key] = grown
        else:
            mine.pop(key, None)


Tallies = dict[Place, Tally]


def count(attempts: Iterable[Row] = (), calls: Iterable[Row] = (), *, grain_s: int = MINUTE_S) -> Tallies:
    """What rows add up to, by minute or another grain; rows that have not ended count for nothing."""
    tallies: Tallies = {}
    kinds: dict[tuple[int, str, str | None, str | None], Tally] = {}
    for row in attempts:
        if row["kind"] == "attempt" and row["outcome"] != "pending" and (service_id := row.get("service_id")):
            place = Place(SERVICE, service_id, start_of(row["request_timestamp"], grain_s))
            tally = tallies.get(place)
            if tally is None:
                tally = tallies[place] = Tally()
            _note(tally, row, later=int(row["attempt_no"] > 1))
    for row in calls:
        if row["outcome"] != "pending":
            start_s = start_of(row["created_at"], grain_s)
            kind = start_s, row["operation"], row.get("contract"), row.get("route")
            tally = kinds.get(kind)
            if tally is None:
                tally = kinds[kind] = Tally()
            _note(tally, row, later=max((row.get("attempts") or 0) - 1, 0))
    for kind, tally in kinds.items():
        for place in _places(*kind):
            tallies.setdefault(place, Tally()).add(tally)
    return tallies


def _places(start_s: int, operation: str, contract: str | None, route: str | None) -> Iterator[Place]:
    """What calls of a kind count for."""
    yield Place(ALL, "", start_s)
    yield Place(OPERATION, operation, start_s)
    if contract:
        yield Place(CONTRACT, contract, start_s)
    if route:
        yield Place(ROUTE, route, start_s)


def _note(tally: Tally, row: Row, later: int) -> None:
    """Count one row; `later` is how many of its tries were not the first of their call."""
    tally.total += 1
    tally.retries += later
    if row["outcome"] == "succeeded":
        tally.succeeded += 1
        tally.retried += later > 0
    else:
        tally.unknown += row["outcome"] == "unknown"
        code = row.get("code") or "UNKNOWN"
        tally.codes[code] = tally.codes.get(code, 0) + 1
    tally.fallbacks += (row.get("candidate_no") or 0) > 1
    tally.cost += row.get("cost") or 0
    if (took := row.get("duration_ms")) is not None:
        tally.duration_ms += took
        bucket = bucket_of(took)
        tally.latencies[bucket] = tally.latencies.get(bucket, 0) + 1


def coarser(tallies: Tallies, grain_s: int) -> Tallies:
    """The same by hour, by day, or (with 0) since the beginning."""
    sums: Tallies = {}
    for place, tally in tallies.items():
        start_s = place.start_s - place.start_s % grain_s if grain_s else 0
        sums.setdefault(place._replace(start_s=start_s), Tally()).add(tally)
    return sums


def combined(tallies: Iterable[Tally]) -> Tally:
    """Several as one."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def start_of(moment: datetime | str, grain_s: int) -> int:
    """The second in which the minute, hour or day of a moment begins; a text is in UTC, as SQLite keeps it."""
    second = _second(moment[:16]) if isinstance(moment, str) else int(moment.timestamp())
    return second - second % grain_s


@lru_cache(4_096)
def _second(minute: str) -> int:
    return int(datetime.fromisoformat(minute).replace(tzinfo=UTC).timestamp())
