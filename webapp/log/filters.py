"""The filters of the call log: parsed from a URL, checked, turned into SQL conditions."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, or_

from adapters.kit import Message, N_
from webapp.log.tables import call_logs

OUTCOMES = ("pending", "succeeded", "failed", "unknown")
_STATUS = re.compile(r"[1-5](xx|\d\d)", re.IGNORECASE)
_NOT_A_TIME = N_("This is not a date and time like 2026-11-23T04:05:06Z.")
_WIRE_NAMES = {"from_": "from"}


@dataclass(frozen=True, slots=True)
class FilterError:
    """One parameter that could not be understood: its name in the URL, a code, a sentence."""

    field: str
    code: str
    message: Message

    @property
    def pointer(self) -> str:
        """Where it is, for the `errors` of a problem."""
        return f"/{self.field}"


class FilterInvalid(ValueError):
    """Some parameters of a search could not be understood; `errors` says which."""

    def __init__(self, errors: list[FilterError]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """What to look for; every given member must hold. Times are aware; `to` is exclusive."""

    service_id: str | None = None
    service_type: str | None = None
    operation: str | None = None
    outcome: str | None = None
    error_code: str | None = None
    status: str | None = None
    from_: datetime | None = None
    to: datetime | None = None
    min_duration_ms: int | None = None
    integration_point: str | None = None
    correlation_id: str | None = None
    recipient: str | None = None
    call_id: int | None = None
    q: str | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameter names, as in the URL."""
        return tuple(_WIRE_NAMES.get(field.name, field.name) for field in fields(cls))

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> LogFilter:
        """A filter from URL parameters; empty ones count as absent, foreign ones are not looked at.

        Raises FilterInvalid with every parameter that is wrong.
        """
        values: dict[str, object] = {}
        errors: list[FilterError] = []
        for field in fields(cls):
            name = _WIRE_NAMES.get(field.name, field.name)
            text = given.get(name, "").strip()
            if not text:
                continue
            try:
                values[field.name] = _PARSERS.get(name, _text)(text)
            except ValueError as error:
                errors.append(FilterError(name, "invalid", Message.of(str(error))))
        if errors:
            raise FilterInvalid(errors)
        return cls(**values)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def conditions(self, hash_recipient: Callable[[str], str]) -> Iterator[ColumnElement[bool]]:
        """The same as SQL; the recipient is compared by its keyed hash."""
        columns = call_logs.c
        for name in _EXACT:
            if (value := getattr(self, name)) is not None:
                yield columns[_COLUMNS.get(name, name)] == value
        if self.status:
            yield _status_condition(self.status)
        if self.from_:
            yield columns.request_timestamp >= self.from_
        if self.to:
            yield columns.request_timestamp < self.to
        if self.min_duration_ms is not None:
            yield columns.duration_ms >= self.min_duration_ms
        if self.recipient:
            yield columns.recipient_hash == hash_recipient(self.recipient)
        if self.q:
            yield _text_condition(self.q)


_EXACT = (
    "service_id", "service_type", "operation", "outcome", "error_code", "integration_point", "correlation_id", "call_id",
)  # fmt: skip
_COLUMNS = {"error_code": "code"}
_SEARCHED = ("request_endpoint", "error_message", "code", "vendor_code")


def _status_condition(status: str) -> ColumnElement[bool]:
    """`404`, `5xx` or several with commas; any of them."""
    column = call_logs.c.response_status_code
    exact: list[int] = []
    ranges: list[ColumnElement[bool]] = []
    for part in status.lower().split(","):
        if part.endswith("xx"):
            low = int(part[0]) * 100
            ranges.append(column.between(low, low + 99))
        else:
            exact.append(int(part))
    return or_(column.in_(exact), *ranges) if exact else or_(*ranges)


def _text_condition(text: str) -> ColumnElement[bool]:
    return or_(*(call_logs.c[name].icontains(text, autoescape=True) for name in _SEARCHED))


def _text(text: str) -> str:
    if len(text) > 200 or "\x00" in text:  # noqa: PLR2004 - longer than any value a column holds
        raise ValueError(N_("At most 200 characters."))
    return text


def _outcome(text: str) -> str:
    if text not in OUTCOMES:
        raise ValueError(N_("Use pending, succeeded, failed or unknown."))
    return text


def _status(text: str) -> str:
    parts = [part.strip().lower() for part in text.split(",")]
    if not all(_STATUS.fullmatch(part) for part in parts):
        raise ValueError(N_("Use an HTTP status like 404 or a class like 5xx."))
    return ",".join(parts)


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - fits 63 bits
        raise ValueError(N_("Use a whole number."))
    return int(text)


def _identifier(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) < 2**63 and len(text) <= 19):  # noqa: PLR2004
        raise ValueError(N_("Use the number of a call."))
    return int(text)


def _instant(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_NOT_A_TIME) from None


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "outcome": _outcome,
    "status": _status,
    "from": _instant,
    "to": _instant,
    "min_duration_ms": _whole_number,
    "call_id": _identifier,
}


def encode_cursor(log_id: int) -> str:
    """The place after this entry, as an opaque word."""
    return base64.urlsafe_b64encode(f"l{log_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> int:
    """The entry a cursor stands after; raises FilterInvalid when it is not one of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        return _identifier(text.removeprefix("l") if text.startswith("l") else "")
    except ValueError:
        message = Message.of(N_("This cursor does not belong to this list."))
        raise FilterInvalid([FilterError("cursor", "invalid", message)]) from None
