"""What the call log gives back: plain frozen records, never rows or models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

_BODY_MEMBERS = ("request_headers", "request_payload", "response_headers", "response_payload")
_NUMBERS_AS_TEXT = {"log_id", "call_id"}


def _plain(name: str, value: object) -> object:
    """A value as JSON has it: 63-bit numbers as text (JavaScript rounds them), times in UTC."""
    if name in _NUMBERS_AS_TEXT and value is not None:
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One attempt, as lists show it: everything but headers and bodies. Recipients are masked."""

    log_id: int
    call_id: int | None
    attempt_no: int
    candidate_no: int
    kind: str
    service_id: str | None
    service_type: str | None
    config_version: int | None
    operation: str | None
    contract: str | None
    integration_point: str | None
    correlation_id: str | None
    caller: str | None
    request_timestamp: datetime
    response_timestamp: datetime | None
    duration_ms: int | None
    request_endpoint: str | None
    response_status_code: int | None
    is_success: bool | None
    outcome: str
    effect: str | None
    code: str | None
    phase: str | None
    safety: str | None
    error_message: str | None
    recipient_mask: str | None
    vendor_code: str | None
    vendor_message: str | None
    vendor_request_id: str | None
    retry_after_ms: int | None
    bytes_out: int | None
    bytes_in: int | None
    next: str | None
    sandbox: bool

    def to_dict(self) -> dict[str, object]:
        """The members of the JSON API; identifiers are strings."""
        return {field.name: _plain(field.name, getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Bodies:
    """What went over the wire in one attempt, already redacted and cut. None where there was nothing."""

    request_headers: Mapping[str, str] | None = None
    request_payload: str | None = None
    response_headers: Mapping[str, str] | None = None
    response_payload: str | None = None
    unreadable: bool = False  # something is kept, but it is damaged

    def to_dict(self) -> dict[str, object]:
        """The members of the JSON API."""
        return {name: getattr(self, name) for name in _BODY_MEMBERS}


@dataclass(frozen=True, slots=True)
class CallEntry:
    """One call: its outcome, every attempt in order, and why each candidate was used or skipped."""

    call_id: int
    created_at: datetime
    finished_at: datetime | None
    operation: str
    contract: str
    outcome: str
    integration_point: str | None
    correlation_id: str | None
    caller: str | None
    service_id: str | None
    service_type: str | None
    code: str | None
    effect: str | None
    attempt_count: int
    duration_ms: int | None
    deadline_ms: int | None
    result: Mapping[str, object] | None
    problem: Mapping[str, object] | None
    trace: str | None
    candidates: tuple[Mapping[str, object], ...]
    attempts: tuple[LogEntry, ...]

    def to_dict(self) -> dict[str, object]:
        """The members of the JSON API; identifiers are strings."""
        plain = {field.name: _plain(field.name, getattr(self, field.name)) for field in fields(self)}
        return plain | {
            "candidates": [dict(candidate) for candidate in self.candidates],
            "attempts": [attempt.to_dict() for attempt in self.attempts],
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first, and the cursor of the next older ones (None at the end).

    `unreadable` names the days whose entries could not be read, because their files are damaged or missing.
    """

    items: tuple[LogEntry, ...]
    next_cursor: str | None
    unreadable: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """How a service did over the last `hours`: attempts that ended, how many succeeded, 95th percentile in ms.

    At most the newest 10,000 attempts are looked at; `capped` says that there were more.
    """

    hours: int
    calls: int
    succeeded: int
    p95_ms: int | None
    capped: bool

    @property
    def success_rate(self) -> float | None:
        """Between 0 and 1; None when there was nothing."""
        return self.succeeded / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """One line of the top errors of a service."""

    code: str
    request_endpoint: str | None
    count: int
    last_at: datetime
