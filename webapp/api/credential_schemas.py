"""The shapes of staged secrets and of what ends."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.api.schemas import Answer, Cursor, Limit, Note, TestedOnce
from webapp.registry.fields import Strict
from webapp.registry.staging import LONGEST_GRACE_HOURS

Moment = Annotated[
    str,
    Field(max_length=40, description="A date, or a moment with its zone.", examples=["2027-03-31T12:00:00Z"]),
]


class CurrentSecret(Answer):
    """The value in use."""

    set_at: datetime
    set_by: str
    expires_at: datetime | None
    needs_reentry: bool


class NextSecret(Answer):
    """The value that waits to be promoted."""

    added_at: datetime
    added_by: str
    expires_at: datetime | None
    configurations: dict[str, Any] = Field(description="Plain settings that change with it.")
    tested: TestedOnce | None


class PreviousSecret(Answer):
    """The value that stands by until its grace is over."""

    until: datetime
    used_at: datetime | None = Field(description="When it last took the place of a refused one.")


class CredentialOut(Answer):
    """One secret of a service in its three stages; never a value."""

    name: str
    required: bool
    current: CurrentSecret | None
    next: NextSecret | None
    previous: PreviousSecret | None


class CredentialList(Answer):
    """The secrets of a service, in the order of its adapter."""

    items: list[CredentialOut]
    next_cursor: None


class NextIn(Strict):
    """The next value of a secret."""

    value: str = Field(max_length=65_536, description="Write-only.", json_schema_extra={"writeOnly": True})
    expires_at: Moment | None = None
    configurations: dict[str, Any] = Field(
        default_factory=dict, description="Plain settings that change with it, such as the id of the key."
    )


class PromoteIn(Strict):
    """How long the value before stands by."""

    grace_hours: float = Field(default=24, ge=0, le=LONGEST_GRACE_HOURS)
    note: Note | None = None


class ExpiryIn(Strict):
    """When the secret in use ends; null when nobody knows."""

    expires_at: Moment | None


class PointOut(Answer):
    """An integration point and its calls of the last 24 hours."""

    name: str | None
    calls: int


class ExpirationOut(Answer):
    """Something that ends, and what depends on it."""

    kind: Literal["secret", "next", "setting", "server", "token", "link"] = Field(
        description="A secret in use, one that waits, a certificate among the settings, the certificate of the server, "
        "an API token, or the first of the accounts linked at a service whose owner has to sign in again."
    )
    service_id: str | None
    token_id: str | None = Field(description="Of an API token, which belongs to no service.")
    service_name: str | None
    service_type: str | None
    name: str = Field(description="The name of the service or of the token.")
    is_enabled: bool
    field: str | None
    expires_at: datetime
    days_left: int
    state: Literal["expired", "soon", "later"]
    reminded: int | None = Field(description="The last reminder: so many days before; 0 when it had ended.")
    routes: list[str]
    integration_points: list[PointOut]
    calls_24h: int


class ExpirationPage(Answer):
    """What ends first first."""

    items: list[ExpirationOut]
    next_cursor: str | None


class ExpirationQuery(Strict):
    """Which part of it."""

    within_days: int | None = Field(
        default=None, ge=0, le=36_500, description="Only what ends within so many days."
    )
    limit: Limit = 50
    cursor: Cursor | None = None
