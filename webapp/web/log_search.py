"""What somebody looks for in the call log: read from the URL, never refused whole for one wrong part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import request

from adapters.kit import Message, N_
from webapp.log.filters import FilterInvalid, LogFilter
from webapp.web.i18n import say

RANGES: dict[str, tuple[str, timedelta]] = {
    "15m": (N_("Last 15 minutes"), timedelta(minutes=15)),
    "1h": (N_("Last hour"), timedelta(hours=1)),
    "6h": (N_("Last 6 hours"), timedelta(hours=6)),
    "24h": (N_("Last 24 hours"), timedelta(hours=24)),
    "7d": (N_("Last 7 days"), timedelta(days=7)),
    "30d": (N_("Last 30 days"), timedelta(days=30)),
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
FOLDED = ("error_code", "status", "min_duration_ms", "recipient", "integration_point", "correlation_id")


class Chip(NamedTuple):
    """One active filter: its name in the URL, its label and its value as people read it."""

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class LogSearch:
    """The filter to run, what was written in the URL, and what of it could not be understood."""

    given: Mapping[str, str]
    filter: LogFilter
    errors: Mapping[str, Message]
    range: str

    @classmethod
    def from_url(cls, now: datetime) -> LogSearch:
        """Read the query of this request; a wrong part is reported and left out, the rest still runs."""
        given = {name: request.args.get(name, "").strip() for name in LogFilter.names()}
        chosen = request.args.get("range", "")
        wanted, errors = _parsed(given)
        if chosen in RANGES and wanted.from_ is None and "from" not in errors:
            wanted = replace(wanted, from_=now - RANGES[chosen][1])
        return cls(given, wanted, errors, chosen if chosen in RANGES else "")

    def value(self, name: str) -> str:
        """What the URL says for a filter."""
        return self.given.get(name, "")

    def error(self, name: str) -> str:
        """Why a filter was left out, in the reader's language; empty when it was understood."""
        return say(self.errors[name]) if name in self.errors else ""

    @property
    def unfolded(self) -> bool:
        """True when one of the rarer filters is in use, so that they should be in sight."""
        return any(self.value(name) for name in FOLDED)

    def chips(self, services: Mapping[str, str]) -> list[Chip]:
        """The active filters, each of which can be taken away."""
        named = {name: value for name, value in self.given.items() if value and name not in self.errors}
        shown = {
            "service_id": services.get(named.get("service_id", ""), ""),
            "outcome": say(OUTCOME_LABELS.get(named.get("outcome", ""), "")),
        }
        return [Chip(name, say(LABELS[name]), shown.get(name) or value) for name, value in named.items()]


def _parsed(given: Mapping[str, str]) -> tuple[LogFilter, dict[str, Message]]:
    try:
        return LogFilter.parse(given), {}
    except FilterInvalid as invalid:
        errors = {error.field: error.message for error in invalid.errors}
        return LogFilter.parse({name: value for name, value in given.items() if name not in errors}), errors


def range_choices() -> list[tuple[str, str]]:
    """The presets for a select, in the reader's language."""
    return [("", say(N_("All times"))), *((name, say(label)) for name, (label, _) in RANGES.items())]


def outcome_choices() -> list[tuple[str, str]]:
    """The outcomes for a select, in the reader's language."""
    return [("", say(N_("All outcomes"))), *((name, say(label)) for name, label in OUTCOME_LABELS.items())]
