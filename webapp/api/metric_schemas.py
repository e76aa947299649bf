"""The shapes of metrics and histograms; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from webapp.api.call_schemas import LogFilters
from webapp.api.schemas import Answer
from webapp.log.spans import BARS_MAX
from webapp.registry.fields import Strict

Range = Literal["1h", "6h", "24h", "7d", "30d", "90d", "400d"]
Key = Annotated[str, Field(max_length=120)]


class RangeOnly(Strict):
    """Over which range."""

    range: Range = "24h"


class MetricsQuery(RangeOnly):
    """Over which range, and of what: one subject at most, else of all calls."""

    service_id: Key | None = Field(default=None, description="Counts the tries made on a service.")
    contract: Key | None = None
    operation: Key | None = None
    route: Key | None = None


class Sums(Answer):
    """What a stretch of time adds up to; latencies are at most 5 % off."""

    total: int
    succeeded: int
    failed: int
    unknown: int
    retried: int = Field(description="Succeeded at a later try.")
    retries: int = Field(description="Tries after the first.")
    fallbacks: int = Field(description="Done by a service that is not the first of its list.")
    cost: float = Field(description="In the currency of the prices; what has no price counts as nothing.")
    success_rate: float | None = Field(description="Between 0 and 1.")
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    errors: dict[str, int] = Field(description="How often each error code occurred.")


class Step(Sums):
    """One step of the range."""

    start: datetime


class MetricsOut(Answer):
    """One subject over a range, oldest step first, empty steps included."""

    range: Range
    scope: Literal["all", "service", "contract", "operation", "route"]
    key: str
    start: datetime
    end: datetime
    step_s: int
    total: Sums
    previous: Sums | None = Field(
        description="As long a time before; null where the sums do not reach back that far."
    )
    steps: list[Step]


class HistogramQuery(LogFilters):
    """Filters of the log, and how many bars at most."""

    buckets: int = Field(default=BARS_MAX, ge=1, le=BARS_MAX)


class Bar(Answer):
    """How attempts ended that began in one stretch of time."""

    start: datetime
    succeeded: int
    retried: int = Field(description="Succeeded at a later try.")
    failed: int
    unknown: int = Field(description="Outcome unknown, or still under way.")


class HistogramOut(Answer):
    """Attempts over time, oldest first, empty bars included."""

    start: datetime | None
    step_s: int | None
    bars: list[Bar]
    count: int
    capped: bool = Field(description="There are more attempts than `count`.")
    complete_from: datetime | None = Field(
        description="From here on the bars tell everything; null when they do from the beginning."
    )
