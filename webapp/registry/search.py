"""Find services: one by its id, many by filters, in the order of their names."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, or_, select, tuple_
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.health import ServiceHealth
from webapp.models.secret import DataKey, Secret
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.condition import HealthColumns, health_state
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.shape import unreadable_fields
from webapp.runtime import Runtime

MAX_LIMIT = 200
_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFilter:
    """What to look for; every given member must hold. `health` is a state as lists show it."""

    service_type: str | None = None
    contract: str | None = None
    is_enabled: bool | None = None
    health: str | None = None
    q: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a list: the columns of the service, its secrets' rows and its health row."""

    service: Row[Any]
    secrets: Mapping[str, Secret]
    health: HealthColumns | None
    unreadable: frozenset[str]
    """The secrets that are stored but cannot be opened."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some services in the order of their names, and the cursor of the next ones (None at the end)."""

    items: Sequence[Found]
    next_cursor: str | None


def find(session: Session, service_id: str) -> Service:
    """The service, unless it was deleted; raises NotFound."""
    service = session.get(Service, service_id) if _ID.fullmatch(service_id) else None
    if service is None or service.deleted_at is not None:
        raise NotFound(Message.of(N_("There is no such service.")))
    return service


def search(session: Session, runtime: Runtime, filters: ServiceFilter) -> Page:
    """One page of services. Raises Invalid for a cursor that is not ours."""
    query = _after(_filtered(filters), filters.cursor)
    rows = _with_health(session, query, filters, runtime.clock.now())
    kept = [row for row, _ in zip(rows, range(filters.limit + 1), strict=False)]
    page, more = kept[: filters.limit], len(kept) > filters.limit
    secrets = secret_rows(session, [row.secrets for row in page])
    keys = _data_keys(session, secrets)
    items = [_found(session, runtime, row, secrets) for row in page]
    del keys
    return Page(items, _cursor(page[-1]) if more else None)


def _found(session: Session, runtime: Runtime, row: Row[Any], secrets: Mapping[str, Secret]) -> Found:
    own = {name: secrets[secret_id] for name, secret_id in row.secrets.items() if secret_id in secrets}
    return Found(row, own, _health(row), unreadable_fields(session, runtime, row.secrets))


def unreadable_services(
    session: Session, runtime: Runtime, services: Sequence[tuple[str, Mapping[str, str]]]
) -> frozenset[str]:
    """The ids of those services (id, secrets) with a secret that is stored but cannot be opened now."""
    secrets = secret_rows(session, [pointers for _, pointers in services])
    keys = _data_keys(session, secrets)
    found = frozenset(name for name, pointers in services if unreadable_fields(session, runtime, pointers))
    del keys, secrets
    return found


def _data_keys(session: Session, secrets: Mapping[str, Secret]) -> Sequence[DataKey]:
    """To be held while secrets are tried: they find their data keys in the session, not asking one by one."""
    wanted = {secret.dek_id for secret in secrets.values()}
    return session.scalars(select(DataKey).where(DataKey.id.in_(wanted))).all()


def secret_rows(session: Session, pointers: Sequence[Mapping[str, str]]) -> dict[str, Secret]:
    """The rows of the secrets that services point at, by id, in one query."""
    wanted = {secret_id for by_field in pointers for secret_id in by_field.values()}
    if not wanted:
        return {}
    return {secret.id: secret for secret in session.scalars(select(Secret).where(Secret.id.in_(wanted)))}


def secrets_of(session: Session, service: Service) -> dict[str, Secret]:
    """The secrets a service uses, by field."""
    rows = secret_rows(session, [service.secrets])
    return {field: rows[secret_id] for field, secret_id in service.secrets.items() if secret_id in rows}


_HEALTH = (
    "state", "since", "checked_at", "latency_ms", "code", "detail", "consecutive_failures", "maintenance_until",
    "gate", "gate_until",
)  # fmt: skip


def _filtered(filters: ServiceFilter) -> Select[Any]:
    service, health = Service.__table__, ServiceHealth.__table__
    columns = [health.c[name].label(f"health_{name}") for name in _HEALTH]
    query = select(service, *columns).outerjoin(health, service.c.service_id == health.c.service_id)
    query = query.where(service.c.deleted_at.is_(None))
    for name in ("service_type", "contract", "is_enabled"):
        if (wanted := getattr(filters, name)) is not None:
            query = query.where(service.c[name] == wanted)
    if filters.q:
        searched = ("service_name", "description", "service_type", "service_id")
        query = query.where(
            or_(*(service.c[name].icontains(filters.q, autoescape=True) for name in searched))
        )
    return query.order_by(service.c.name_key, service.c.service_id)


def _with_health(
    session: Session, query: Select[Any], filters: ServiceFilter, now: datetime
) -> Iterator[Row[Any]]:
    """Rows in the wanted state of health; lateness depends on the clock, so it is judged here."""
    if filters.health is None:
        yield from session.execute(query.limit(filters.limit + 1))
        return
    for row in session.execute(query):
        if health_state(row, _health(row), now) == filters.health:
            yield row


def _health(row: Row[Any]) -> HealthColumns | None:
    if row.health_state is None:
        return None
    return HealthColumns(*(getattr(row, f"health_{name}") for name in _HEALTH))


def _after(query: Select[Any], cursor: str | None) -> Select[Any]:
    if not cursor:
        return query
    service = Service.__table__
    return query.where(tuple_(service.c.name_key, service.c.service_id) > tuple_(*_place(cursor)))


def _cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.name_key, row.service_id]).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[str, str]:
    try:
        name, service_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        name = service_id = None
    if not (isinstance(name, str) and isinstance(service_id, str)):
        message = Message.of(N_("This cursor does not belong to this list."))
        raise Invalid([Flaw.at("cursor", code="invalid", message=message)]) from None
    return name, service_id
