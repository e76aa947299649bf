"""The filters of the call log: parsed from a URL, checked, turned into SQL conditions."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, or_

from adapters.kit import Message, N_
from webapp.log import language, language_sql
from webapp.log.language import Query
from webapp.log.language_services import NOBODY, Services
from webapp.log.tables import call_logs

OUTCOMES = ("pending", "succeeded", "failed", "unknown")
_STATUS = re.compile(r"[1-5](xx|\d\d)", re.IGNORECASE)
_REVERSED = N_("The end must be later than the beginning.")
_NOT_A_TIME = N_("This is not a date and time like 2026-11-23T04:05:06Z.")
_WIRE_NAMES = {"from_": "from"}


@dataclass(frozen=True, slots=True)
class FilterError:
    """One parameter that could not be understood: its name in the URL, a code, a sentence.

    `start` and `end` are the place in its text, where only a part of it is wrong.
    """

    field: str
    code: str
    message: Message
    start: int | None = None
    end: int | None = None

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
    q: Query | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameter names, as in the URL."""
        return tuple(_WIRE_NAMES.get(field.name, field.name) for field in fields(cls))

    @classmethod
    def parse(cls, given: Mapping[str, str], services: Services = NOBODY) -> LogFilter:
        """A filter from URL parameters; empty ones count as absent, foreign ones are not looked at.

        Raises FilterInvalid with everything that is wrong.
        """
        wanted, errors = cls.read(given, services)
        if errors:
            raise FilterInvalid(errors)
        return wanted

    @classmethod
    def read(
        cls, given: Mapping[str, str], services: Services = NOBODY
    ) -> tuple[LogFilter, list[FilterError]]:
        """The filter that the understood parts make, and what was left out of it."""
        values: dict[str, Any] = {}
        errors: list[FilterError] = []
        for field in fields(cls):
            name = _WIRE_NAMES.get(field.name, field.name)
            text = given.get(name, "").strip()
            if not text or name == "q":
                continue
            try:
                values[field.name] = _PARSERS.get(name, _text)(text)
            except ValueError as error:
                errors.append(FilterError(name, "invalid", Message.of(str(error))))
        values["q"] = _query(given.get("q", ""), services, errors)
        if _is_reversed(values):
            errors.append(FilterError("to", "range", Message.of(_REVERSED)))
            del values["from_"], values["to"]
        return cls(**values), errors

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    @property
    def recipients(self) -> bool:
        """Whether somebody's address or number is looked for; it is never written down."""
        return bool(self.recipient) or any(term.field == "to" for term in (self.q.terms if self.q else ()))

    def narrowed_to(self) -> tuple[frozenset[str] | None, frozenset[str] | None] | None:
        """The services and the outcomes it is narrowed to, each None for all; None when anything else counts too."""
        rest = replace(self, from_=None, to=None, service_id=None, outcome=None, q=None)
        if rest:
            return None
        services = frozenset({self.service_id}) if self.service_id else None
        outcomes = frozenset({self.outcome}) if self.outcome else None
        for term in self.q.terms if self.q else ():
            if term.negated or term.field not in {"service", "outcome"}:
                return None
            if term.field == "service":
                meant = frozenset(service for value in term.values for service in value.meant)
                services = meant if services is None else services & meant
            else:
                meant = frozenset(str(value.meant) for value in term.values)
                outcomes = meant if outcomes is None else outcomes & meant
        return services, outcomes

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
            yield from language_sql.conditions(self.q, hash_recipient)


_EXACT = (
    "service_id", "service_type", "operation", "outcome", "error_code", "integration_point", "correlation_id", "call_id",
)  # fmt: skip
_COLUMNS = {"error_code": "code"}


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


def _query(text: str, services: Services, errors: list[FilterError]) -> Query | None:
    query = language.parse(text, services)
    errors += (
        FilterError("q", "invalid", fault.told(query.text), fault.start, fault.end) for fault in query.faults
    )
    return query if query.terms else None


def _is_reversed(values: Mapping[str, Any]) -> bool:
    first, end = values.get("from_"), values.get("to")
    return first is not None and end is not None and first >= end


def _text(text: str) -> str:
    if len(text) > 200 or not text.isprintable():  # noqa: PLR2004 - longer than any value a column holds
        raise ValueError(N_("Use at most 200 printable characters."))
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
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - fits the column
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
