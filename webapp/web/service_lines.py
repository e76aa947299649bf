"""Services as the list and the overview show them: state with its reason, filters and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from flask_babel import format_percent
from sqlalchemy import select

from adapters.kit import Adapter, Catalog, Entry, Message, N_
from webapp.engine.codes import CODES, Code
from webapp.extensions import db, runtime
from webapp.models.health import ServiceHealth
from webapp.models.service import Service
from webapp.monitor.history import Span, spans
from webapp.registry.condition import FORCED_OPEN, TRIPPED, Condition, condition_of
from webapp.registry.search import unreadable_services
from webapp.web.i18n import say
from webapp.web.states import state_of

# The summary names what needs a person first.
STATE_ORDER = (
    "down", "reauth", "broken", "degraded", "pending", "late", "maintenance", "unknown", "healthy", "disabled",
)  # fmt: skip
PROBLEMS = frozenset({"down", "reauth", "broken", "degraded", "late"})
_LATE = (
    N_("The scheduled check did not run in time"),
    N_("Nobody knows how it is. See whether the scheduler is running, and test the service by hand."),
)
_TRIED_AGAIN = N_("It failed too often; some calls are let through to see whether it works again")
_NEAR = timedelta(hours=12)
POPULAR = ("EMAIL_PROVIDER_SMTP", "EMAIL_PROVIDER_SENDGRID", "SMS_PROVIDER_ALIYUN")


@dataclass(frozen=True, slots=True)
class Line:
    """One service with what is known of its state."""

    service: Service
    entry: Entry | None
    health: ServiceHealth | None
    state: str
    condition: Condition

    @property
    def vendor(self) -> str:
        """The vendor's name, untranslated."""
        return self.entry.label if self.entry else self.service.service_type

    @property
    def reason(self) -> Message | str:
        """Why it is in this state, a message or a msgid; empty while nothing is wrong."""
        if self.state == "broken":
            return (self.entry.reason if self.entry else None) or N_("There is no such adapter here.")
        if self.is_tried_again:
            return _TRIED_AGAIN
        return _LATE[0] if self.state == "late" else self._code.title if self._code else ""

    @property
    def remedy(self) -> str:
        """The msgid of what to do about it."""
        if self.state == "broken":
            return N_(
                "Install what is missing; until then its calls fail and only common settings can be changed."
            )
        return _LATE[1] if self.state == "late" else self._code.remedy if self._code else ""

    @property
    def since(self) -> datetime | None:
        """Since when it has been in a state that needs attention."""
        return self.condition.since if self.state in PROBLEMS - {"late", "broken"} else None

    @property
    def open_until(self) -> datetime | None:
        """How long no call is let through."""
        return self.condition.open_until if self.state in PROBLEMS - {"late", "broken"} else None

    @property
    def open_until_style(self) -> str:
        """How that moment is told: the time of day is enough when it is near."""
        near = self.open_until is not None and self.open_until - runtime().clock.now() < _NEAR
        return "clock" if near else "full"

    @property
    def is_out_of_use(self) -> bool:
        """Whether an operator lets no call through: nothing is wrong with it, as far as this goes."""
        return self.state == "down" and self.condition.code == FORCED_OPEN

    @property
    def is_tried_again(self) -> bool:
        """Whether some calls are let through to see whether it works again."""
        return self.state == "degraded" and self.condition.code == TRIPPED

    @property
    def _code(self) -> Code | None:
        return CODES.get(self.condition.code or "") if self.state in PROBLEMS else None


@dataclass(frozen=True, slots=True)
class Group:
    """The services of one contract."""

    contract: str
    label: str
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list asks for."""

    q: str = ""
    contract: str = ""
    type: str = ""
    state: str = ""

    @classmethod
    def read(cls, args: Mapping[str, str]) -> Filters:
        """Read the query string; names it does not know are ignored."""
        return cls(**{name: args.get(name, "").strip()[:120] for name in ("q", "contract", "type", "state")})

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return any((self.q, self.contract, self.type, self.state))

    def given(self) -> dict[str, str]:
        """The filters in use, as the query of an address."""
        wanted = {"q": self.q, "contract": self.contract, "type": self.type, "state": self.state}
        return {name: value for name, value in wanted.items() if value}

    def url(self, **changes: str) -> str:
        """The address of the list with some filters changed."""
        query: dict[str, Any] = replace(self, **changes).given()
        return url_for("integrations.index", **query)

    def words(self) -> str:
        """The filters in use as one phrase, for the page that found nothing."""
        state = say(state_of(self.state).label) if self.state else ""
        return " · ".join(word for word in (self.q, self.contract, self.type, state) if word)

    def admit(self, line: Line) -> bool:
        """Whether a line is wanted."""
        service = line.service
        text = f"{service.service_name} {service.service_type} {line.vendor} {say(line.vendor)} {service.description or ''}".casefold()
        return (
            all(word in text for word in self.q.casefold().split())
            and self.contract in {"", service.contract}
            and self.type in {"", service.service_type}
            and self.state in {"", line.state}
        )


def load_lines() -> list[Line]:
    """Every service that is not deleted, by name."""
    chosen = select(Service).where(Service.deleted_at.is_(None))
    services = sorted(db.session.scalars(chosen), key=lambda service: service.service_name.casefold())
    health = {row.service_id: row for row in db.session.scalars(select(ServiceHealth))}
    return [line_of(service, health.get(service.service_id)) for service in services]


def line_of(service: Service, health: ServiceHealth | None) -> Line:
    """One service with its state."""
    entry = runtime().catalog.get(service.service_type)
    condition = condition_of(service, health, runtime().clock.now())
    return Line(service, entry, health, _state(entry, condition), condition)


def count_states(lines: Iterable[Line]) -> list[tuple[str, int]]:
    """How many services are in each state, the worst first."""
    counts = Counter(line.state for line in lines)
    return [(state, counts[state]) for state in STATE_ORDER if counts[state]]


def group_by_contract(lines: Sequence[Line], catalog: Catalog) -> list[Group]:
    """Lines under the heading of what they can do."""
    labels: Mapping[str, type[Adapter]] = catalog.contracts()
    groups: dict[str, Group] = {}
    for line in lines:
        contract = line.service.contract
        label = labels[contract].label if contract in labels else contract
        groups.setdefault(contract, Group(contract, label)).lines.append(line)
    return sorted(groups.values(), key=lambda group: shelf_order(group.contract))


def shelf_order(contract: str) -> tuple[bool, str]:
    """Contracts in the order they are shown: plain HTTP comes last, because it says least."""
    return contract == "HTTP_SERVICE", contract


def listing(args: Mapping[str, str]) -> dict[str, Any]:
    """The context of the list: what is shown, what was counted, what one may filter by."""
    catalog = runtime().catalog
    lines, filters = load_lines(), Filters.read(args)
    shown = [line for line in lines if filters.admit(line)]
    return {
        "groups": group_by_contract(shown, catalog),
        "total": len(lines),
        "counts": count_states(lines),
        "filters": filters,
        "contract_choices": [
            (group.contract, say(group.label)) for group in group_by_contract(lines, catalog)
        ],
        "state_choices": [(state, say(state_of(state).label)) for state, _ in count_states(lines)],
        "traffic": traffic(),
        "unreadable": unreadable_services(
            db.session(), runtime(), [(line.service.service_id, line.service.secrets) for line in shown]
        ),
        "strips": strips([line.service.service_id for line in shown if line.service.is_enabled]),
        "popular": [entry for name in POPULAR if (entry := catalog.get(name)) and entry.adapter],
    }


def strips(ids: Sequence[str]) -> dict[str, Span]:
    """The last 24 hours of services."""
    return spans(db.session(), ids, "24h", runtime().clock.now()) if ids else {}


def traffic() -> dict[str, tuple[int, str]]:
    """Attempts of the last 24 hours and the share that succeeded, in the reader's notation, by service."""
    rates = runtime().log.success_rates()
    return {
        service_id: (ended, format_percent(succeeded / ended, "0.##%"))
        for service_id, (ended, succeeded) in rates.items()
        if ended
    }


def _state(entry: Entry | None, condition: Condition) -> str:
    return "broken" if entry is None or entry.adapter is None else condition.state
