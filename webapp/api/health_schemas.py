"""The shapes of health, incidents, maintenance and alerts; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.api.schemas import Answer, Cursor, Health, Limit
from webapp.monitor.rules import RuleFields
from webapp.monitor.window_fields import WindowFields
from webapp.registry.fields import Strict

Range = Literal["24h", "7d", "30d", "90d"]


class HealthQuery(Strict):
    """Which part of the list, and over which range its uptime is counted."""

    limit: Limit = 50
    cursor: Cursor | None = None
    range: Range = "24h"


class RangeQuery(Strict):
    """Over which range."""

    range: Range = "24h"


class ChecksQuery(Strict):
    """Which checks, newest first."""

    limit: Limit = 50
    cursor: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None


class IncidentQuery(Strict):
    """Which incidents, newest first."""

    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=36)] | None = None
    service_id: Annotated[str, Field(max_length=36)] | None = None


class ServiceHealth(Health):
    """The state of one service, with its name and its uptime over the range."""

    service_id: str
    service_name: str
    service_type: str
    uptime: float | None = Field(
        description="Between 0 and 1; what failed during maintenance does not count."
    )


class LogLag(Answer):
    """What waits in the journals of this machine: since how long, how much, and what no database would take."""

    lag_s: float
    waiting_bytes: int
    refused: int
    error: str | None


class HealthPage(Answer):
    """The state of every service; `scheduler` says whether anybody checks at all, `log` how far it is behind."""

    items: list[ServiceHealth]
    next_cursor: str | None
    scheduler: dict[str, Any]
    log: LogLag


class ServiceHealthDetail(ServiceHealth):
    """One service in depth."""

    uptime_by_range: dict[str, float | None]
    p95_ms: int | None
    maintenance_until: datetime | None
    stages: list[dict[str, Any]]


class Mark(Answer):
    """One hour or day of the history of a service."""

    start: datetime
    up: int
    warned: int
    down: int
    excused: int
    mean_ms: float | None


class History(Answer):
    """The history of a service over a range, oldest first."""

    range: Range
    uptime: float | None
    p95_ms: int | None
    marks: list[Mark]


class Check(Answer):
    """One check with its stages."""

    check_id: str
    at: datetime
    source: str
    state: str
    verdict: str
    code: str | None
    latency_ms: int
    stages: list[dict[str, Any]]


class CheckPage(Answer):
    """The checks of a service, newest first."""

    items: list[Check]
    next_cursor: str | None


class IncidentOut(Answer):
    """An incident; its timeline is there when one is asked for alone."""

    incident_id: str
    service_id: str | None
    service_name: str | None
    state: str
    code: str | None
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    affected_calls: int
    affected_more: bool
    integration_points: list[str]
    recipients: int
    carried_by: dict[str, Any] | None
    timeline: list[dict[str, Any]] | None = None


class IncidentPage(Answer):
    """Incidents, newest first."""

    items: list[IncidentOut]
    next_cursor: str | None


class NoteIn(Strict):
    """What somebody knows."""

    note: Annotated[str, Field(max_length=500)]


class Occurrence(Answer):
    """One time that a window is open."""

    starts_at: datetime
    ends_at: datetime


class WindowOut(WindowFields):
    """A maintenance window; `next` is the time that is open, or the one that comes."""

    window_id: str
    revision: int
    state: Literal["planned", "active", "over"]
    next: Occurrence | None
    created_at: datetime
    created_by: str


class WindowList(Answer):
    """Maintenance windows, the next one first."""

    items: list[WindowOut]
    next_cursor: None


class RuleOut(RuleFields):
    """An alert rule."""

    rule_id: str
    revision: int


class RuleList(Answer):
    """All alert rules, by name."""

    items: list[RuleOut]
    next_cursor: None


class ChannelOut(Answer):
    """An alert channel; of a webhook's address only that there is one."""

    channel_id: str
    revision: int
    name: str
    kind: str
    route: str | None
    recipients: list[str]
    path: str | None
    template: str | None
    locale: str | None
    url_is_set: bool
    worked_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    tested_at: datetime | None


class ChannelList(Answer):
    """All alert channels, by name."""

    items: list[ChannelOut]
    next_cursor: None


class ChannelTestOut(Answer):
    """What came of a test message."""

    status: Literal["sent", "failed"]
    code: str | None
