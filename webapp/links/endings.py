"""When access that people gave ends by itself: of each service, the first of its linked accounts to need a new sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from webapp.models.link import Link
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import expiry
from webapp.registry.expiry import Ending

_SHORT = timedelta(days=1)


def endings(session: Session, now: datetime) -> list[Ending]:
    """One line for each service. What renews itself has no end; what lasts less than a day is not waited for."""
    lasts = or_(Link.can_refresh, Link.expires_at > now + _SHORT)
    end = case((Link.can_refresh, Link.refresh_expires_at), else_=Link.expires_at)
    first = (
        select(Link.service_id, func.min(end).label("ends"))
        .where(Link.state == "active", lasts, end > now)
        .group_by(Link.service_id)
        .subquery()
    )
    query = select(Service, first.c.ends).join(first, first.c.service_id == Service.service_id)
    return [
        Ending(
            "link",
            service.service_id,
            service.service_name,
            service.service_type,
            service.is_enabled,
            None,
            ends,
        )
        for service, ends in session.execute(query.where(Service.deleted_at.is_(None)))
    ]


expiry.SOURCES.append(endings)
