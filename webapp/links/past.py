"""Links that were ended: what their owner is told afterwards, and where each is ended at the provider itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from webapp.links.reading import provider_of
from webapp.models.link import Link
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from webapp.runtime import Runtime

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Past:
    """A link that was ended; `manage_url` is the provider's own page to end it at, where there is one."""

    link_id: str
    service_name: str
    account_label: str
    ended_at: datetime
    manage_url: str | None


def past(session: Session, runtime: Runtime, user_id: str, link_ids: Sequence[str]) -> Sequence[Past]:
    """Those of the links that this person ended, in the order of their names."""
    query = _ended(user_id).where(Link.link_id.in_(link_ids)).order_by(Service.name_key, Link.link_id)
    return [_past(runtime, link, service) for link, service in session.execute(query)]


def recent(session: Session, runtime: Runtime, user_id: str) -> Sequence[Past]:
    """The links that this person ended last, the newest first, as long as they are kept."""
    query = _ended(user_id).order_by(Link.ended_at.desc(), Link.link_id).limit(_SHOWN)
    return [_past(runtime, link, service) for link, service in session.execute(query)]


def _ended(user_id: str) -> Select[Link, Service]:
    query = select(Link, Service).join(Service, Service.service_id == Link.service_id)
    return query.where(Link.user_id == user_id, Link.ended_at.is_not(None))


def _past(runtime: Runtime, link: Link, service: Service) -> Past:
    assert link.ended_at is not None
    return Past(
        link.link_id, service.service_name, link.account_label, link.ended_at, manage_page(runtime, service)
    )


def manage_page(runtime: Runtime, service: Service) -> str | None:
    """Where people see and end at the provider what they allowed: the administrator's word, else the adapter's."""
    provider = provider_of(runtime, service.service_type)
    return str(service.configurations.get("end_url") or (provider.manage_url if provider else "")) or None
