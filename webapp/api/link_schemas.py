"""The shapes of linked accounts; a token is only in the one answer that is asked for it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from webapp.api.schemas import Answer, Cursor, Limit
from webapp.registry.fields import Strict

State = Literal["active", "needs_sign_in", "ended"]


class LinkQuery(Strict):
    """What to list."""

    person: str | None = Field(
        default=None, max_length=254, description="The id or email address of a person."
    )
    service_id: str | None = Field(default=None, max_length=36)
    state: State | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class LinkOut(Answer):
    """A linked account."""

    link_id: str
    user_id: str
    service_id: str
    service_name: str
    service_type: str
    account_label: str
    state: State
    scopes: list[str] = Field(description="What its owner allowed.")
    missing_scopes: list[str] = Field(description="What was asked for and not allowed.")
    linked_at: datetime
    ended_at: datetime | None
    last_used_at: datetime | None
    last_used_by: str | None
    expires_at: datetime | None = Field(description="The end of the token; it is renewed before.")
    failure: str | None = Field(description="The code of the last renewal that failed.")
    failed_at: datetime | None
    asked_again_at: datetime | None


class LinkPage(Answer):
    """Linked accounts, the newest first."""

    items: list[LinkOut]
    next_cursor: str | None


class UseOut(Answer):
    """How often one place in business code used a link on one day (UTC)."""

    integration_point: str | None
    day: date
    calls: int
    last_at: datetime


class UsageOut(Answer):
    """What used a link, the newest day first."""

    items: list[UseOut]
    next_cursor: None


class LinkEnded(Answer):
    """What became of a link that was ended; here it is gone in any case."""

    link_id: str
    at_provider: Literal["revoked", "unsupported", "refused", "away"]
    manage_url: str | None = Field(description="Where its owner can end it at the provider.")


class TokenIn(Strict):
    """Whose token, and what for."""

    person: str = Field(min_length=1, max_length=254, description="The id or email address of a person.")
    service: str = Field(
        min_length=1, max_length=120, description="A route, a service type or the id of a service."
    )
    integration_point: str | None = Field(default=None, min_length=1, max_length=120)


class TokenOut(Answer):
    """A token that works now. Keep it nowhere: ask again for the next call."""

    link_id: str
    service_id: str
    account_id: str
    access_token: str
    expires_at: datetime | None
    scopes: list[str]


class AskedAgain(Answer):
    """How many people see the request to sign in again."""

    links: int
