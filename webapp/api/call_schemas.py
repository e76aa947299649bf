"""The shapes of requests and answers about calls, logs and problems."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_type_hints

from pydantic import Field, create_model

from webapp.api.schemas import Answer, Cursor, Limit
from webapp.log.entries import CallEntry, LogEntry
from webapp.registry.fields import Strict


class CallIn(Strict):
    """A call as business code makes it."""

    operation: str = Field(max_length=80, examples=["email.send"])
    service_type_preference: str | list[str] = Field(
        default=[],
        description="Names of routes, service types, contracts or ids of services, tried in this order; "
        "without any, every service of the contract.",
    )
    params: dict[str, Any] = Field(
        description="The input of the operation; see the service type for its schema."
    )
    integration_point: str | None = Field(
        default=None,
        max_length=120,
        description="The place in business code.",
        examples=["signup.welcome_mail"],
    )
    deadline_ms: int | None = Field(default=None, description="How long the whole call may take.")
    correlation_id: str | None = Field(default=None, max_length=128)
    on_behalf_of: str | None = Field(
        default=None,
        max_length=254,
        description="The id or email address of a person whose linked account is used; needs the scope `links:use`.",
    )
    duplicates: Literal["forbid", "allow"] = Field(
        default="forbid", description="`allow` lets a call of unknown outcome be tried on one more service."
    )


class CallOut(Answer):
    """A call that succeeded."""

    call_id: str
    outcome: Literal["succeeded"]
    service_id: str | None
    service_type: str | None
    result: dict[str, Any]
    attempts: int
    duration_ms: int
    correlation_id: str
    replayed: bool = Field(
        default=False, description="An earlier call under the same key answered; nothing was sent."
    )


class ReplayOut(Answer):
    """A call that was made by making an earlier one again."""

    call_id: str
    replay_of: str
    outcome: Literal["succeeded", "failed", "unknown"]


def mirror(name: str, about: str, *records: type[Any], **changes: Any) -> type[Answer]:
    """The shape of records of the log store; identifiers are strings, because they have 63 bits."""
    hints = {field: kind for record in records for field, kind in get_type_hints(record).items()}
    texts: dict[str, Any] = {field: str | None for field in ("log_id", "call_id") if field in hints}
    members: dict[str, Any] = {field: (kind, ...) for field, kind in {**hints, **texts, **changes}.items()}
    return create_model(name, __base__=Answer, __doc__=about, **members)


LogOut = mirror("LogOut", "One attempt.", LogEntry)


class LogBodies(Answer):
    """The redacted headers and bodies of an attempt, for tokens that may read them."""

    request_headers: dict[str, str] | None = None
    request_payload: str | None = None
    response_headers: dict[str, str] | None = None
    response_payload: str | None = None
    bodies_unreadable: bool = Field(default=False, description="Something is kept, but it is damaged.")


class LogDetail(LogOut, LogBodies):  # type: ignore[valid-type,misc]  # made from the store's own record
    """One attempt, with its redacted headers and bodies for tokens that may read them."""


class LogPage(Answer):
    """Attempts, the newest first."""

    items: list[LogOut]  # type: ignore[valid-type]
    next_cursor: str | None
    count: str | None = Field(
        default=None, description="How many there are, where it was asked; `10000+` for more than that."
    )
    unreadable_days: list[str] | None = Field(
        default=None,
        description="Days whose attempts cannot be read, because their files are damaged or missing.",
    )


class LogFilters(Strict):
    """Filters of the log; every given one must hold."""

    service_id: str | None = None
    service_type: str | None = None
    operation: str | None = None
    outcome: Literal["pending", "succeeded", "failed", "unknown"] | None = None
    error_code: str | None = None
    status: str | None = Field(
        default=None, description="An HTTP status, a class like 5xx, or several with commas."
    )
    from_: datetime | None = Field(default=None, alias="from", description="Not before this moment.")
    to: datetime | None = Field(default=None, description="Before this moment.")
    min_duration_ms: int | None = None
    integration_point: str | None = None
    correlation_id: str | None = None
    recipient: str | None = Field(
        default=None, description="The whole address or number; compared by its hash."
    )
    call_id: str | None = None
    q: str | None = Field(
        default=None,
        max_length=2_000,
        description="A search in the language of the log page: words, and fields such as `service:`, `code:`, "
        "`status:5xx` and `dur>500`; `-` negates, a comma means or, quotation marks keep spaces together.",
        examples=["outcome:failed -code:READ_TIMEOUT dur>500"],
    )


class LogQuery(LogFilters):
    """Filters of the log, which part of it, and whether to count."""

    limit: Limit = 50
    cursor: Cursor | None = None
    count: bool = Field(default=False, description="Count what is found as well, up to 10,000.")


class ReplayLink(Answer):
    """A call that was made by making another one again."""

    call_id: str
    actor: str = Field(description="Who asked for it.")
    created_at: datetime


_RECORD = mirror("CallRecord", "A call as it is on record.", CallEntry, attempts=list[LogOut])  # type: ignore[valid-type]


class CallDetail(_RECORD):  # type: ignore[valid-type,misc]  # made from the store's own record
    """A call as it is on record."""

    replay_of: str | None = Field(description="The call that this one makes again.")
    replays: list[ReplayLink] = Field(description="The calls that make this one again, the oldest first.")


class Finding(Answer):
    """One wrong member of a request."""

    pointer: str = Field(description="Where, as a JSON pointer into the request.")
    code: str
    message: str


class ProblemOut(Answer):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    correlation_id: str
    remedy: str | None = None
    errors: list[Finding] = Field(default_factory=list)
    retryable: bool | None = None
    retry_after_ms: int | None = None
    effect: Literal["NONE", "REJECTED", "DONE", "UNKNOWN"] | None = None
    call_id: str | None = None
    operation: str | None = None
    cause_code: str | None = None
    attempts: list[dict[str, Any]] = Field(default_factory=list)
    candidates: list[dict[str, Any]] = Field(default_factory=list)
    vendor: dict[str, Any] | None = None
