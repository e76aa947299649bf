"""The shapes of requests and answers about services, types and routes; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.kit import Cost
from webapp.registry.fields import HealthPolicy, Quotas, RateLimit, RetryPolicy, ServiceFields, Strict
from webapp.registry.history import NOTE_MAX
from webapp.registry.search import MAX_LIMIT

HealthState = Literal[
    "healthy", "degraded", "pending", "down", "reauth", "late", "unknown", "disabled", "maintenance"
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")]
Note = Annotated[str, Field(max_length=NOTE_MAX, description="Why it is changed; it stands in the history.")]
Cursor = Annotated[str, Field(max_length=2000, description="`next_cursor` of the page before.")]


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class ServiceIn(ServiceFields):
    """A service as it is sent: `configurations` carries settings and secrets together."""

    service_type: str = Field(max_length=80, examples=["EMAIL_PROVIDER_SENDGRID"])
    configurations: dict[str, Any] = Field(
        description="See the schema of the service type. An absent secret is kept, a string replaces it, null clears it."
    )
    note: Note | None = None


class ServiceChange(ServiceFields):
    """Any of the members of a service, as a merge patch (RFC 7396)."""

    configurations: dict[str, Any]
    note: Note | None = None


class SecretState(Answer):
    """What is told about a secret: never its value."""

    is_set: bool
    hint: str | None = Field(description="Its last characters, where the adapter permits it.")
    set_at: datetime | None
    set_by: str | None
    expires_at: datetime | None
    needs_reentry: bool = Field(default=False, description="It is stored but cannot be opened any more.")
    reference: str | None = Field(default=None, description="Where the secret is, when it is kept elsewhere.")


class Tested(Answer):
    """The last test of what was stored."""

    at: datetime
    verdict: str
    revision: int


class Health(Answer):
    """The state of a service as its checks and its breaker leave it."""

    state: HealthState
    since: datetime | None
    checked_at: datetime | None
    latency_ms: int | None
    code: str | None
    open_until: datetime | None = Field(description="How long its circuit stays open; null while it is not.")


class ServiceOut(Answer):
    """A service; secrets are told apart from settings."""

    service_id: str
    service_name: str
    service_type: str
    contract: str
    description: str | None
    is_enabled: bool
    default_timeout_ms: int | None
    durability: str
    keep_inputs: bool
    configurations: dict[str, Any]
    retry_policy: RetryPolicy | None
    rate_limit: RateLimit | None
    quotas: Quotas | None
    health_check_endpoint: str | None
    health_interval_s: int
    health_policy: HealthPolicy | None
    sandbox: bool
    revision: int
    secrets: dict[str, SecretState]
    tested: Tested | None
    health: Health
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default=[], description="`untested`: enabled although it was not tested.")


class ServicePage(Answer):
    """One page of services, in the order of their names."""

    items: list[ServiceOut]
    next_cursor: str | None


class ServiceQuery(Strict):
    """Filters of the list of services."""

    service_type: str | None = Field(default=None, max_length=80)
    contract: str | None = Field(default=None, max_length=80)
    is_enabled: bool | None = None
    health: HealthState | None = None
    q: str | None = Field(
        default=None, max_length=200, description="Part of a name, a description or a type."
    )
    limit: Limit = 50
    cursor: Cursor | None = None


class TestRequest(Strict):
    """Settings to test instead of those stored; secrets that are left out are the stored ones."""

    configurations: dict[str, Any]


class StageOut(Answer):
    """One stage of a test."""

    name: str
    status: Literal["ok", "warning", "failed", "skipped"]
    message: str
    remedy: str | None
    code: str | None
    field: str | None = Field(description="The setting to correct.")
    duration_ms: int


class TestOut(Answer):
    """What a test found."""

    verdict: Literal["verified", "rejected", "limited", "unverifiable", "failed"]
    stages: list[StageOut]
    duration_ms: int


class TestedOnce(Answer):
    """A test and its verdict."""

    at: datetime
    verdict: str


class RevisionOut(Answer):
    """A saved state of a service."""

    number: int
    created_at: datetime
    actor: str
    origin: str
    note: str | None
    snapshot: dict[str, Any]
    secrets: list[str] = Field(description="The secrets that were set then, by name.")
    tested: TestedOnce | None = Field(description="The last test of this very revision.")


class RevisionPage(Answer):
    """Revisions, the newest first."""

    items: list[RevisionOut]
    next_cursor: str | None


class PageQuery(Strict):
    """Which part of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class OperationOut(Answer):
    """One operation of a contract; input and output are JSON Schemas."""

    name: str
    label: str
    safety: Literal["READ", "IDEMPOTENT", "KEYED", "UNSAFE"]
    input: dict[str, Any]
    output: dict[str, Any]


class TypeOut(Answer):
    """An adapter of the catalogue."""

    service_type: str
    contract: str
    label: str
    summary: str | None
    available: bool
    reason: str | None = Field(description="Why it cannot be used.")
    check_cost: Cost | None = Field(description="What a check takes from the account at the vendor.")


class TypeDetail(TypeOut):
    """An adapter with its settings and operations."""

    settings: dict[str, Any] | None = Field(
        description="JSON Schema of `configurations`; secrets are writeOnly."
    )
    operations: list[OperationOut]


class TypeList(Answer):
    """The catalogue."""

    items: list[TypeOut]
    next_cursor: None


class RouteOut(Answer):
    """A named preference list."""

    name: str
    contract: str
    description: str | None
    members: list[str]
    created_at: datetime
    updated_at: datetime


class RouteList(Answer):
    """All routes, by name."""

    items: list[RouteOut]
    next_cursor: None
