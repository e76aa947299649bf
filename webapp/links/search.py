"""Links in pages, for those who look after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webapp.links.reading import LinkView, rows_of, view_of
from webapp.models.link import Link
from webapp.models.user import User

if TYPE_CHECKING:
    from webapp.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Found:
    """A page of links; `next` is where the next one begins."""

    views: Sequence[LinkView]
    next: str | None


def find(
    session: Session,
    runtime: Runtime,
    *,
    person: str | None = None,
    service_id: str | None = None,
    state: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> Found:
    """Links of a person, of a service or in a state, the newest first."""
    query = rows_of().order_by(Link.link_id.desc()).limit(limit + 1)
    if person is not None:
        known = select(User.user_id).where(or_(User.user_id == person, User.email == person.strip().lower()))
        query = query.where(Link.user_id.in_(known))
    if service_id is not None:
        query = query.where(Link.service_id == service_id)
    if state is not None:
        query = query.where(Link.state == state)
    if before is not None:
        query = query.where(Link.link_id < before)
    now = runtime.clock.now()
    views = [view_of(runtime, row, now=now) for row in session.execute(query)]
    return Found(views[:limit], views[limit - 1].link_id if len(views) > limit else None)
