"""Links that were ended: what their owner is told afterwards, and where each is ended at the provider itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.links.reading import provider_of
from webapp.models.link import Link
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Past:
    """A link that was ended; `manage_url` is the provider's own page to end it at, where there is one."""

    link_id: str
    service_name: str
    account_label: str
    manage_url: str | None


def past(session: Session, runtime: Runtime, user_id: str, link_ids: Sequence[str]) -> Sequence[Past]:
    """Those of the links that this person ended, in the order of their names."""
    query = select(Link.link_id, Link.account_label, Service).join(
        Service, Service.service_id == Link.service_id
    )
    query = query.where(Link.user_id == user_id, Link.link_id.in_(link_ids), Link.ended_at.is_not(None))
    return [
        Past(link_id, service.service_name, label, manage_page(runtime, service))
        for link_id, label, service in session.execute(query.order_by(Service.name_key, Link.link_id))
    ]


def manage_page(runtime: Runtime, service: Service) -> str | None:
    """Where people see and end at the provider what they allowed: the administrator's word, else the adapter's."""
    provider = provider_of(runtime, service.service_type)
    return str(service.configurations.get("end_url") or (provider.manage_url if provider else "")) or None
