"""What a person sees of their linked accounts. Only rows are read here: no token is opened, nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from webapp.links.words import Permission, permissions
from webapp.models.link import Link, LinkUsage
from webapp.models.service import ThirdPartyServiceConfiguration as Service

if TYPE_CHECKING:
    from adapters.oauth import OAuthProvider
    from webapp.runtime import Runtime

CONTRACT = "OAUTH_PROVIDER"
ACTIVE, NEEDS_SIGN_IN, ENDED = "active", "needs_sign_in", "ended"
UNUSED_AFTER = timedelta(days=90)
_USES_MAX = 5_000


# Made once: a query of this width takes longer to build than to answer.
_ROWS: Select[Any] = select(
    *Link.__table__.c,
    Service.service_name,
    Service.service_type,
    Service.is_enabled,
    Service.deleted_at,
    Service.configurations,
).join(Service, Service.service_id == Link.service_id)
_OF_PERSON = _ROWS.where(Link.user_id == bindparam("user_id"), Link.ended_at.is_(None))

_NEW_POINTS = (
    select(LinkUsage.link_id, LinkUsage.point)
    .join(Link, Link.link_id == LinkUsage.link_id)
    .where(LinkUsage.link_id.in_(bindparam("link_ids", expanding=True)), LinkUsage.point != "")
    .group_by(LinkUsage.link_id, LinkUsage.point, Link.seen_at)
    .having(or_(Link.seen_at.is_(None), func.min(LinkUsage.first_at) > Link.seen_at))
    .order_by(LinkUsage.link_id, LinkUsage.point)
)


@dataclass(frozen=True, slots=True)
class LinkView:
    """One linked account, as its owner sees it.

    `state` is active, needs_sign_in or ended; `group` is attention, connected or ended. `unavailable` says that the
    provider did not renew the token lately although nobody refused anything. `unused` is true after 90 days without
    use, `new_points` are the places that used it for the first time since its owner last looked.
    """

    link_id: str
    user_id: str
    service_id: str
    service_name: str
    service_type: str
    provider: str
    account_label: str
    state: str
    is_enabled: bool
    permissions: tuple[Permission, ...]
    missing: tuple[Permission, ...]
    linked_at: datetime
    ended_at: datetime | None
    last_used_at: datetime | None
    last_used_by: str | None
    expires_at: datetime | None
    can_refresh: bool
    failure: str | None
    failed_at: datetime | None
    failures: int
    asked_again_at: datetime | None
    unused: bool
    new_points: tuple[str, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Whether its owner has something to do: sign in again, or because an administrator asks for it."""
        return self.ended_at is None and (self.state == NEEDS_SIGN_IN or self.asked_again_at is not None)

    @property
    def group(self) -> str:
        """Where the page shows it: attention, connected or ended."""
        if self.ended_at is not None:
            return "ended"
        return "attention" if self.needs_attention else "connected"

    @property
    def unavailable(self) -> bool:
        """Whether the provider could not renew the token lately; that is nobody's fault here and may pass."""
        return self.state == ACTIVE and self.failures > 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider that a person could link an account of, and what we would ask for."""

    service_id: str
    service_name: str
    service_type: str
    provider: str
    description: str | None
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """How often one place in business code used a link on one day (UTC); `point` is empty where it named none."""

    point: str
    day: date
    calls: int
    last_at: datetime


def links_of(session: Session, runtime: Runtime, user_id: str) -> Sequence[LinkView]:
    """The accounts a person has linked, those that need attention first; ended ones are not among them."""
    rows = session.execute(_OF_PERSON, {"user_id": user_id})
    views = [view_of(runtime, row, now=runtime.clock.now()) for row in rows]
    fresh = _new_points(session, {view.link_id for view in views})
    views = [_with_points(view, fresh.get(view.link_id, ())) for view in views]
    return sorted(
        views, key=lambda view: (not view.needs_attention, view.provider.casefold(), view.linked_at)
    )


def link_of(session: Session, runtime: Runtime, link_id: str, user_id: str | None = None) -> LinkView | None:
    """One link, ended or not; None where there is none, or where it belongs to somebody else than `user_id`."""
    query = rows_of().where(Link.link_id == link_id)
    row = session.execute(query if user_id is None else query.where(Link.user_id == user_id)).one_or_none()
    return view_of(runtime, row, now=runtime.clock.now()) if row else None


def available(session: Session, runtime: Runtime, user_id: str) -> Sequence[Offer]:
    """The providers of which a person has linked no account yet, by name; disabled services are not offered."""
    taken = select(Link.service_id).where(Link.user_id == user_id, Link.ended_at.is_(None))
    query = select(
        Service.service_id,
        Service.service_name,
        Service.service_type,
        Service.description,
        Service.configurations,
    ).where(
        Service.contract == CONTRACT,
        Service.deleted_at.is_(None),
        Service.is_enabled.is_(True),
        Service.service_id.not_in(taken),
    )
    offers = []
    for row in session.execute(query.order_by(Service.name_key)):
        provider = provider_of(runtime, row.service_type)
        if provider is not None:
            asked = provider.scopes_of(row.configurations)
            words = permissions(provider, row.configurations.get("scope_words", ""), asked)
            offers.append(
                Offer(
                    row.service_id, row.service_name, row.service_type, provider.label, row.description, words
                )
            )
    return offers


def usage_of(session: Session, link_id: str, limit: int = 400) -> Sequence[Usage]:
    """What used a link and how often, the newest day first."""
    query = select(LinkUsage.point, LinkUsage.day, LinkUsage.calls, LinkUsage.last_at)
    query = query.where(LinkUsage.link_id == link_id)
    query = query.order_by(LinkUsage.day.desc(), LinkUsage.calls.desc(), LinkUsage.point).limit(limit)
    return [Usage(*row) for row in session.execute(query)]


def download(session: Session, runtime: Runtime, user_id: str) -> dict[str, Any]:
    """Everything we keep about a person's links, ended ones too, ready for JSON; the tokens are not part of it."""
    now = runtime.clock.now()
    rows = session.execute(rows_of().where(Link.user_id == user_id).order_by(Link.linked_at, Link.link_id))
    links = []
    for row in rows:
        view = view_of(runtime, row, now=now)
        used = usage_of(session, view.link_id, _USES_MAX)
        members = {
            name: getattr(view, name)
            for name in (
                "link_id", "service_name", "provider", "account_label", "state", "linked_at", "ended_at",
                "last_used_at", "last_used_by", "expires_at",
            )
        } | {
            "account_id": row.account_id,
            "scopes": list(row.scopes),
            "usage": [{name: _plain(value) for name, value in asdict(use).items()} for use in used],
        }  # fmt: skip
        links.append({name: _plain(value) for name, value in members.items()})
    return {"made_at": now.isoformat(), "user_id": user_id, "links": links}


def acknowledge(session: Session, runtime: Runtime, link_id: str, user_id: str) -> None:
    """The owner has seen the notices about a link; the caller commits."""
    change = update(Link).where(Link.link_id == link_id, Link.user_id == user_id)
    session.execute(change.values(seen_at=runtime.clock.now()))


def provider_of(runtime: Runtime, service_type: str) -> type[OAuthProvider] | None:
    """The adapter of a type, if it is there and works."""
    entry = runtime.catalog.get(service_type)
    adapter: Any = entry.adapter if entry else None
    return adapter if adapter is not None and adapter.contract == CONTRACT else None


def rows_of() -> Select[Any]:
    """Links with what is needed of their services, for `view_of`."""
    return _ROWS


def view_of(runtime: Runtime, row: Row[Any], *, now: datetime) -> LinkView:
    """One row of `rows_of`, as its owner sees it."""
    provider = provider_of(runtime, row.service_type)
    words = row.configurations.get("scope_words", "")
    idle_since = max(moment for moment in (row.linked_at, row.last_used_at, row.seen_at) if moment)
    return LinkView(
        link_id=row.link_id,
        user_id=row.user_id,
        service_id=row.service_id,
        service_name=row.service_name,
        service_type=row.service_type,
        provider=provider.label if provider else row.service_name,
        account_label=row.account_label,
        state=row.state,
        is_enabled=row.is_enabled and row.deleted_at is None,
        permissions=permissions(provider, words, row.scopes),
        missing=permissions(provider, words, [scope for scope in row.asked if scope not in row.scopes]),
        linked_at=row.linked_at,
        ended_at=row.ended_at,
        last_used_at=row.last_used_at,
        last_used_by=row.last_used_by,
        expires_at=row.expires_at,
        can_refresh=row.can_refresh,
        failure=row.failure,
        failed_at=row.failed_at,
        failures=row.failures,
        asked_again_at=row.asked_again_at,
        unused=row.ended_at is None and now - idle_since > UNUSED_AFTER,
    )


def _new_points(session: Session, link_ids: set[str]) -> dict[str, tuple[str, ...]]:
    """The places whose first use of a link its owner has not seen yet."""
    if not link_ids:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for link_id, point in session.execute(_NEW_POINTS, {"link_ids": list(link_ids)}):
        found[link_id] = (*found.get(link_id, ()), point)
    return found


def _with_points(view: LinkView, points: tuple[str, ...]) -> LinkView:
    return replace(view, new_points=points) if points else view


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, (datetime, date)) else value
