"""What somebody looks for in the call log: read from the URL, never refused whole for one wrong part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask import request, url_for
from flask_babel import gettext

from adapters.kit import Message, N_
from webapp.log.entries import LogEntry
from webapp.log.filters import LogFilter
from webapp.log.language import Fault, Query, Term, parse, term
from webapp.log.language_fields import CONTROL, FIELDS
from webapp.log.language_services import Services
from webapp.web.i18n import say

RANGES: dict[str, tuple[str, str, timedelta]] = {
    "15m": (N_("15 min"), N_("Last 15 minutes"), timedelta(minutes=15)),
    "1h": (N_("1 h"), N_("Last hour"), timedelta(hours=1)),
    "6h": (N_("6 h"), N_("Last 6 hours"), timedelta(hours=6)),
    "24h": (N_("24 h"), N_("Last 24 hours"), timedelta(hours=24)),
    "7d": (N_("7 d"), N_("Last 7 days"), timedelta(days=7)),
    "30d": (N_("30 d"), N_("Last 30 days"), timedelta(days=30)),
}
LABELS: dict[str, str] = {
    "q": N_("Text"),
    "service_id": N_("Service"),
    "service_type": N_("Type"),
    "operation": N_("Operation"),
    "outcome": N_("Outcome"),
    "error_code": N_("Error code"),
    "status": N_("HTTP status"),
    "min_duration_ms": N_("At least, ms"),
    "integration_point": N_("Integration point"),
    "correlation_id": N_("Correlation id"),
    "recipient": N_("Recipient"),
    "call_id": N_("Call"),
    "from": N_("From"),
    "to": N_("To"),
}
OUTCOME_LABELS: dict[str, str] = {
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "unknown": N_("Outcome unknown"),
    "pending": N_("In progress"),
}
FOLDED = (
    "operation", "error_code", "status", "min_duration_ms", "recipient", "integration_point", "correlation_id",
    "from", "to",
)  # fmt: skip


MOST_CHOICES = 200  # services in a select
PARAMETERS = (*LogFilter.names(), "range", "cursor", "open", "tail")


class Chip(NamedTuple):
    """One active filter: its label, its value as people read it, and what the URL becomes without it."""

    label: str
    value: str
    without: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class LogSearch:
    """The filter to run, what was written in the URL, and what of it could not be understood."""

    given: Mapping[str, str]
    filter: LogFilter
    errors: Mapping[str, tuple[Message, ...]]
    range: str
    query: Query
    services: Services

    @classmethod
    def from_url(cls, now: datetime, services: Services) -> LogSearch:
        """Read the query of this request; a wrong part is reported and left out, the rest still runs."""
        given = {name: request.args.get(name, "").strip() for name in LogFilter.names()}
        wanted, found = LogFilter.read(given, services)
        errors: dict[str, tuple[Message, ...]] = {}
        for error in found:
            errors[error.field] = (*errors.get(error.field, ()), error.message)
        chosen = request.args.get("range", "")
        if chosen not in RANGES or given["from"] or given["to"]:
            chosen = ""
        else:
            wanted = replace(wanted, from_=now - RANGES[chosen][2])
        return cls(given, wanted, errors, chosen, parse(given["q"], services), services)

    def value(self, name: str) -> str:
        """What the URL says for a filter."""
        return CONTROL.sub("\N{REPLACEMENT CHARACTER}", self.given.get(name, ""))

    def error(self, name: str) -> str:
        """Why a filter was left out, in the reader's language; empty when it was understood."""
        return " ".join(say(message) for message in self.errors.get(name, ()))

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the time is filtered."""
        return bool(replace(self.filter, from_=None, to=None))

    @property
    def unfolded(self) -> bool:
        """True when one of the rarer filters is in use, so that they should be in sight."""
        return any(self.value(name) for name in FOLDED)

    @property
    def chips(self) -> list[Chip]:
        """The active filters, each of which can be taken away."""
        named = {
            name: value
            for name, value in self.given.items()
            if value and name != "q" and name not in self.errors
        }
        shown = {
            "service_id": self.services.names.get(named.get("service_id", ""), ""),
            "outcome": say(OUTCOME_LABELS.get(named.get("outcome", ""), "")),
        }
        chips = [
            Chip(say(LABELS[name]), shown.get(name) or value, {name: None}) for name, value in named.items()
        ]
        return chips + [self._chip(part) for part in self.query.terms]

    def _chip(self, part: Term) -> Chip:
        label = say(FIELDS[part.field].label)
        label = gettext("%(field)s not", field=label) if part.negated else label
        return Chip(label, self.query.said(part), {"q": self.query.without(part) or None})

    def pieces(self) -> list[tuple[str, Fault | None]]:
        """The text of the search, what was not understood apart."""
        return [
            (CONTROL.sub("\N{REPLACEMENT CHARACTER}", words), fault) for words, fault in self.query.pieces()
        ]


def filtered_url(field: str, value: object, negated: bool = False) -> str:
    """The list with a value looked for, or ruled out, as well; on a page of one call, the list with nothing else."""
    part = term(field, value, negated=negated)
    if request.endpoint != "logs.index":
        return url_for("logs.index", q=part)
    query = parse(request.args.get("q", "").strip())
    is_there = part in {query.source(one) for one in query.terms}
    return url_with(q=query.text if is_there else f"{query.text} {part}".strip(), cursor=None, open=None)


def url_with(**changes: str | None) -> str:
    """The address of the list as it is now with some of its parameters changed; None takes one out."""
    given = {name: request.args[name] for name in PARAMETERS if request.args.get(name)}
    kept: dict[str, Any] = {name: value for name, value in {**given, **changes}.items() if value}
    return url_for("logs.index", **kept)


def address_with(*names: str, without: Sequence[str] = ()) -> Callable[..., str]:
    """The address of the list as it is now with other values for these parameters, for many values.

    The values go in as they are: they have to be plain.
    """
    kept = url_with(**dict.fromkeys((*names, *without)))
    begun = kept + ("&" if "?" in kept else "?")
    return lambda *values: (
        begun + "&".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    )


def export_url(kind: str) -> str:
    """Where this search is taken along."""
    names = (*LogFilter.names(), "range")
    given: dict[str, Any] = {name: request.args[name] for name in names if request.args.get(name)}
    return url_for("log_export.export", format=kind, **given)


def outcome_choices() -> list[tuple[str, str]]:
    """The outcomes for a select, in the reader's language."""
    return [("", say(N_("All outcomes"))), *((name, say(label)) for name, label in OUTCOME_LABELS.items())]


def service_choices(search: LogSearch, shown: Iterable[LogEntry]) -> list[tuple[str, str]]:
    """The services for a select: all of them or, where nobody could find one among so many, those the page shows.

    Every service is found by its name in the search itself.
    """
    names = search.services.names
    if len(names) > MOST_CHOICES:
        near = {search.value("service_id"), *(entry.service_id for entry in shown)}
        names = {service_id: name for service_id, name in names.items() if service_id in near}
    return [("", say(N_("All services"))), *names.items()]
