"""What those who run Patchbay see of linked accounts: how many, in which state, what fails. Never a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from webapp.links.reading import ACTIVE, ENDED, NEEDS_SIGN_IN
from webapp.models.link import Link
from webapp.vault import audit

if TYPE_CHECKING:
    from sqlalchemy import CursorResult

    from webapp.runtime import Runtime

_FAILURES_MAX = 20
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why renewals fail, how many links that concerns, and when it was seen last."""

    code: str
    links: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceLinks:
    """The links of one service in numbers. `failing` are active ones whose last renewal failed."""

    service_id: str
    by_state: Mapping[str, int]
    failing: int
    failures: Sequence[Failure]
    asked_again: int
    last_used_at: datetime | None

    @property
    def active(self) -> int:
        """How many can be used."""
        return self.by_state.get(ACTIVE, 0)

    @property
    def needs_sign_in(self) -> int:
        """How many wait for their owners."""
        return self.by_state.get(NEEDS_SIGN_IN, 0)


def links_of_service(session: Session, service_id: str) -> ServiceLinks:
    """Count the links of a service by state and by what fails."""
    live = (Link.service_id == service_id, Link.state != ENDED)
    states = select(
        Link.state,
        func.count().label("links"),
        func.sum(case(((Link.state == ACTIVE) & (Link.failures > 0), 1), else_=0)).label("failing"),
        func.count(Link.asked_again_at).label("asked_again"),
        func.max(Link.last_used_at).label("last_used_at"),
    )
    rows = session.execute(states.where(*live).group_by(Link.state)).all()
    failing = select(Link.failure, func.count(), func.max(Link.failed_at)).where(
        Link.service_id == service_id, Link.failure.is_not(None)
    )
    failing = failing.group_by(Link.failure).order_by(func.count().desc(), Link.failure).limit(_FAILURES_MAX)
    return ServiceLinks(
        service_id,
        {row.state: row.links for row in rows},
        sum(row.failing for row in rows),
        [Failure(code or "", links, last_at or _NEVER) for code, links, last_at in session.execute(failing)],
        sum(row.asked_again for row in rows),
        max((row.last_used_at for row in rows if row.last_used_at), default=None),
    )


def request_reauthorisation(session: Session, runtime: Runtime, service_id: str, *, actor: str) -> int:
    """Ask everybody who linked an account of a service to sign in again; returns how many that are.

    Their links go on working meanwhile: they only see the request until they did it. The caller commits.
    """
    change = update(Link).where(
        Link.service_id == service_id, Link.ended_at.is_(None), Link.asked_again_at.is_(None)
    )
    change = change.values(asked_again_at=runtime.clock.now()).execution_options(synchronize_session=False)
    result: CursorResult[object] = session.execute(change)  # type: ignore[assignment]
    detail = {"links": result.rowcount}
    audit.append(
        session, runtime, actor=actor, action="links.ask_again", target=f"service:{service_id}", detail=detail
    )
    return result.rowcount
