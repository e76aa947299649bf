"""All services people can link accounts of, in numbers: one query, whatever the number of links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, case, func, select
from sqlalchemy.orm import Session

from webapp.links.reading import ACTIVE, CONTRACT, NEEDS_SIGN_IN, provider_of
from webapp.models.link import Link
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Census:
    """One service and how many accounts of it are linked; `failing` are active ones whose last renewal failed."""

    service_id: str
    service_name: str
    provider: str
    is_enabled: bool
    active: int
    needs_sign_in: int
    failing: int
    asked_again: int
    last_used_at: datetime | None


def census(session: Session, runtime: Runtime) -> Sequence[Census]:
    """Count the links of every service that offers them, by name; those without a link are there with zeros."""
    counted = (
        select(
            Link.service_id,
            _sum(Link.state == ACTIVE).label("active"),
            _sum(Link.state == NEEDS_SIGN_IN).label("needs_sign_in"),
            _sum((Link.state == ACTIVE) & (Link.failures > 0)).label("failing"),
            _sum(Link.asked_again_at.is_not(None)).label("asked_again"),
            func.max(Link.last_used_at).label("last_used_at"),
        )
        .where(Link.ended_at.is_(None))
        .group_by(Link.service_id)
        .subquery()
    )
    query = (
        select(Service.service_id, Service.service_name, Service.service_type, Service.is_enabled)
        .add_columns(*counted.c)
        .outerjoin(counted, counted.c.service_id == Service.service_id)
        .where(Service.contract == CONTRACT, Service.deleted_at.is_(None))
        .order_by(Service.name_key)
    )
    return [_line(runtime, row) for row in session.execute(query)]


def _line(runtime: Runtime, row: Row[Any]) -> Census:
    provider = provider_of(runtime, row.service_type)
    return Census(
        service_id=row[0],
        service_name=row.service_name,
        provider=provider.label if provider else row.service_type,
        is_enabled=row.is_enabled,
        active=row.active or 0,
        needs_sign_in=row.needs_sign_in or 0,
        failing=row.failing or 0,
        asked_again=row.asked_again or 0,
        last_used_at=row.last_used_at,
    )


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
