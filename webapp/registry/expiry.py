"""What ends and when: secrets, certificates, the certificates of servers, and the API tokens of programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.credential import StagedSecret
from webapp.models.health import ServiceHealth
from webapp.models.route import Route
from webapp.models.secret import Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.models.token import ApiToken
from webapp.registry.endings import discovered
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.runtime import Runtime
from webapp.vault import audit

Kind = Literal["secret", "next", "setting", "server", "token", "link"]
SOON = timedelta(days=30)
_YEARS = range(2000, 2200)
ENDED_TOKENS_FOR = timedelta(days=30)
_USAGE_MOST = 50  # of so many the traffic is looked up, those that end first


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends.

    `secret`: one in use. `next`: one that waits. `setting`: a certificate among the plain settings. `server`: the
    certificate the server showed at the last check. `token`: an API token, `service_name` being its name. `link`:
    what people gave at a provider of accounts, the first of theirs to end.
    """

    kind: Kind
    service_id: str | None
    service_name: str
    service_type: str
    is_enabled: bool
    field: str | None
    expires_at: datetime
    token_id: str | None = None

    @property
    def subject(self) -> str:
        """What it is, in one word that stays the same while it is not replaced."""
        return f"{self.kind}:{self.service_id or self.token_id}:{self.field or ''}"

    def days_left(self, now: datetime) -> int:
        """Whole days that are left; negative when it has ended."""
        return (self.expires_at - now) // timedelta(days=1)

    def state(self, now: datetime) -> Literal["expired", "soon", "later"]:
        """Whether it has ended, ends within 30 days, or later."""
        if self.expires_at <= now:
            return "expired"
        return "soon" if self.expires_at - now <= SOON else "later"


@dataclass(frozen=True, slots=True)
class Dependents:
    """What breaks when it ends: routes by name, integration points with their calls in 24 hours, and all calls."""

    routes: Sequence[str]
    points: Sequence[tuple[str | None, int]]

    @property
    def calls(self) -> int:
        """Calls in the last 24 hours."""
        return sum(count for _, count in self.points)


NOTHING = Dependents((), ())


def endings(session: Session, now: datetime) -> list[Ending]:
    """Everything with a known end, what ends first first."""
    found = [ending for source in SOURCES for ending in source(session, now)]
    return sorted(found, key=lambda ending: (ending.expires_at, ending.subject))


def _of_services(session: Session, _now: datetime) -> list[Ending]:
    columns = (
        Service.service_id, Service.service_name, Service.service_type, Service.is_enabled,
        Service.configurations, Service.secrets, ServiceHealth.detail,
    )  # fmt: skip
    query = (
        select(*columns)
        .outerjoin(ServiceHealth, ServiceHealth.service_id == Service.service_id)
        .where(Service.deleted_at.is_(None))
    )
    dated = _dated_secrets(session)
    waiting = {(row.service_id, row.field): row.secret_id for row in session.scalars(_waiting())}
    return [one for row in session.execute(query) for one in _of_service(row, dated, waiting)]


def _of_tokens(session: Session, now: datetime) -> list[Ending]:
    """The API tokens that are not revoked; one that has ended is told of for a month."""
    alive = ApiToken.revoked_at.is_(None), ApiToken.expires_at > now - ENDED_TOKENS_FOR
    columns = ApiToken.token_id, ApiToken.name, ApiToken.expires_at
    return [
        Ending("token", None, name, "", True, None, ends, token_id)
        for token_id, name, ends in session.execute(select(*columns).where(*alive))
        if ends is not None
    ]


# Where endings come from; other areas add theirs when they are loaded.
SOURCES: list[Callable[[Session, datetime], list[Ending]]] = [_of_services, _of_tokens]


def dependents(session: Session, runtime: Runtime, found: Sequence[Ending]) -> dict[str, Dependents]:
    """What depends on the services behind these, by the service's id; traffic of the first fifty services only."""
    routes = session.execute(select(Route.name, Route.members).order_by(Route.name)).all()
    ids = [each for each in dict.fromkeys(ending.service_id for ending in found) if each]
    return {
        service_id: Dependents(
            [name for name, members in routes if service_id in members],
            runtime.log.points(service_id) if place < _USAGE_MOST else (),
        )
        for place, service_id in enumerate(ids)
    }


def set_expiry(
    session: Session, runtime: Runtime, service: Service, field: str, ends: datetime | None, *, actor: str
) -> None:
    """Say when the secret in use ends, or that nobody knows. Raises NotFound when none is set. The caller commits."""
    secret = session.get(Secret, service.secrets.get(field, ""))
    if secret is None:
        raise NotFound(Message.of(N_("This secret is not set.")))
    if secret.expires_at == ends:
        return
    secret.expires_at = ends
    detail = {
        "service_name": service.service_name,
        "field": field,
        "expires_at": ends.isoformat() if ends else None,
    }
    audit.append(
        session, runtime, actor=actor, action="secret.expiry", target=service.service_id, detail=detail
    )


def parse_moment(value: Any, pointer: str) -> datetime | None:
    """Read a date, which means its beginning in UTC, or a moment with its zone; null means unknown. Raises Invalid."""
    if value is None or value == "":
        return None
    message = Message.of(N_("Give a date such as 2027-03-31, or a moment such as 2027-03-31T12:00:00Z."))
    try:
        moment = _moment(value)
        if moment.tzinfo is not None and moment.year in _YEARS:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise Invalid([Flaw(pointer, "invalid", message)])


def _moment(value: Any) -> datetime:
    if not isinstance(value, str) or not value.isascii():
        raise TypeError
    text = value.strip()
    if len(text) == len("2027-03-31"):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime.fromisoformat(text)


def _dated_secrets(session: Session) -> dict[str, datetime]:
    query = select(Secret.id, Secret.expires_at).where(
        Secret.owner_type == "service", Secret.expires_at.is_not(None)
    )
    return {secret_id: ends for secret_id, ends in session.execute(query) if ends is not None}


def _waiting() -> Any:
    return select(StagedSecret).where(StagedSecret.stage == "next")


def _of_service(
    row: Row[Any], dated: Mapping[str, datetime], waiting: Mapping[tuple[str, str], str]
) -> Iterator[Ending]:
    def ending(kind: Kind, field: str | None, ends: datetime) -> Ending:
        return Ending(kind, row.service_id, row.service_name, row.service_type, row.is_enabled, field, ends)

    for field, secret_id in (row.secrets or {}).items():
        if secret_id in dated:
            yield ending("secret", field, dated[secret_id])
    for (service_id, field), secret_id in waiting.items():
        if service_id == row.service_id and secret_id in dated:
            yield ending("next", field, dated[secret_id])
    for field, value in (row.configurations or {}).items():
        if isinstance(value, str) and "-----BEGIN" in value and (ends := discovered(value)):
            yield ending("setting", field, ends)
    if ends := _of_server(row.detail):
        yield ending("server", None, ends)


def _of_server(detail: Mapping[str, Any] | None) -> datetime | None:
    """The end of the certificate the server showed at the last check."""
    for stage in (detail or {}).get("stages") or ():
        values = (stage.get("message_id") or {}).get("values") or {}
        if stage.get("name") == "tls" and isinstance(values.get("ends"), str):
            try:
                return datetime.fromisoformat(values["ends"])
            except ValueError:
                return None
    return None
