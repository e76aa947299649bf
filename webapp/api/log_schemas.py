"""The shapes of requests and answers about saved views and exports of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from webapp.api.call_schemas import LogFilters
from webapp.api.schemas import Answer
from webapp.log.export import MOST
from webapp.log.views import NAME_MAX
from webapp.registry.fields import Strict


class LogExportQuery(LogFilters):
    """What of the log to take along, and how."""

    format: Literal["csv", "ndjson"] = "csv"
    limit: int = Field(default=MOST, ge=1, le=MOST, description="How many at most.")


class LogViewIn(Strict):
    """A search to keep under a name."""

    name: str = Field(min_length=1, max_length=NAME_MAX)
    search: dict[str, str] = Field(
        description="Parameters of a search: `q`, `range`, `from`, `to` and the other filters, without a recipient.",
        examples=[{"q": "outcome:failed dur>500", "range": "24h"}],
    )
    is_shared: bool = Field(default=False, description="Whether everybody who may read the log sees it.")


class LogViewOut(Answer):
    """A saved search."""

    view_id: str
    name: str
    search: dict[str, str]
    is_shared: bool
    is_own: bool = Field(description="Whether this token made it, and so may change it.")
    owner: str
    created_at: datetime
    updated_at: datetime


class LogViewList(Answer):
    """The views that this token made and those that are shared, by name."""

    items: list[LogViewOut]
    next_cursor: None
