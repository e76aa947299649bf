"""A vendor's answer to one HTTP request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from requests.structures import CaseInsensitiveDict

from adapters.kit.errors import Unsure
from adapters.kit.text import N_

_REQUEST_IDS = ("X-Request-Id", "Request-Id", "X-Amzn-RequestId", "X-Acs-Request-Id", "Twilio-Request-Id")


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (found in any case) and the whole body. `received_at` is our own clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(
        cls, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", url: str = ""
    ) -> Reply:
        """Build a reply by hand; header names are found in any case."""
        return cls(status, CaseInsensitiveDict(headers or {}), body, url)

    @property
    def ok(self) -> bool:
        """Say whether the status is one of success."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the range is HTTP's

    @property
    def text(self) -> str:
        """Return the body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body's JSON value; raises Unsure (MALFORMED_RESPONSE) when there is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as problem:
            raise self.malformed() from problem

    def json_object(self) -> dict[str, Any]:
        """Return the body's JSON object; raises Unsure (MALFORMED_RESPONSE) when it is anything else."""
        value = self.json()
        if not isinstance(value, dict):
            raise self.malformed()
        return value

    def peek(self) -> dict[str, Any]:
        """Return the body's JSON object, or an empty one: for reading an error that may be HTML."""
        try:
            return self.json_object()
        except Unsure:
            return {}

    def malformed(self) -> Unsure:
        """Return the fault that says this reply cannot be understood."""
        return Unsure(
            N_("The vendor's answer could not be read."),
            code="MALFORMED_RESPONSE",
            vendor_status=self.status,
            request_id=self.request_id,
        )

    @property
    def request_id(self) -> str | None:
        """Return the vendor's own number for this request, where it sends one in a usual header."""
        return next((self.headers[name] for name in _REQUEST_IDS if name in self.headers), None)

    @property
    def retry_after(self) -> float | None:
        """Return the seconds the vendor asks us to wait; junk and negative values count as absent.

        A date is measured against the vendor's own clock, so that ours may be wrong.
        """
        if (milliseconds := _seconds(self.headers.get("Retry-After-Ms", ""))) is not None:
            return milliseconds / 1000
        value = self.headers.get("Retry-After", "").strip()
        if (seconds := _seconds(value)) is not None:
            return seconds
        until = _date(value)
        if until is None:
            return None
        return max(0.0, (until - (_date(self.headers.get("Date", "")) or self.received_at)).total_seconds())


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
