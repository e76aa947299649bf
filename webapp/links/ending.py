"""The end of a link: revoked at the provider where that is possible, wiped here in any case."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit.accounts import Release
from webapp.db import begin_write
from webapp.engine.problems import PatchbayError
from webapp.links import provider, sealed
from webapp.links.reading import ENDED, provider_of
from webapp.models.link import Link
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.vault import audit
from webapp.vault.errors import VaultError

if TYPE_CHECKING:
    from webapp.runtime import Runtime

REVOKED, UNSUPPORTED, REFUSED, AWAY = "revoked", "unsupported", "refused", "away"
_REFUSING = frozenset((
    "VENDOR_AUTH_REJECTED", "VENDOR_PERMISSION_DENIED", "VENDOR_REJECTED_REQUEST", "GRANT_REFUSED", "VENDOR_NOT_FOUND",
))  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a link that was ended. Here it is gone in any case.

    `at_provider` is revoked, unsupported (the provider has no way to do it), refused, or away (it did not answer);
    unless it is revoked, the person can end it at `manage_url` themselves, where the provider has such a page.
    """

    link_id: str
    service_id: str
    provider: str
    account_label: str
    at_provider: str
    manage_url: str | None


def disconnect(runtime: Runtime, link_id: str, *, actor: str, user_id: str | None = None) -> Ended | None:
    """End a link: wipe its tokens here first, then ask the provider to revoke them.

    None where there is no such link (or it is somebody else's than `user_id`, or ended already). Whatever the
    provider answers, the link is ended. Opens sessions of its own; no transaction is open while it asks.
    """
    with runtime.sessions() as session:
        begin_write(session, f"link {link_id}")
        query = select(Link).where(Link.link_id == link_id, Link.ended_at.is_(None))
        link = session.scalar(query if user_id is None else query.where(Link.user_id == user_id))
        if link is None:
            return None
        service = session.get_one(Service, link.service_id)
        tokens = _opened(session, runtime, link_id)
        end(session, runtime, link)
        audit.append(
            session, runtime, actor=actor, action="link.ended", target=f"service:{link.service_id}",
            detail={"link": link_id},
        )  # fmt: skip
        session.commit()
    kind = provider_of(runtime, service.service_type)
    return Ended(
        link_id, link.service_id, kind.label if kind else service.service_name, link.account_label,
        give_back(runtime, link.service_id, tokens) if tokens else UNSUPPORTED,
        str(service.configurations.get("end_url") or (kind.manage_url if kind else "")) or None,
    )  # fmt: skip


def disconnect_all(runtime: Runtime, user_id: str, *, actor: str) -> Sequence[Ended]:
    """End every link of a person, as `disconnect`."""
    with runtime.sessions() as session:
        query = select(Link.link_id).where(Link.user_id == user_id, Link.ended_at.is_(None))
        link_ids = list(session.scalars(query.order_by(Link.linked_at, Link.link_id)))
    ended = [disconnect(runtime, link_id, actor=actor, user_id=user_id) for link_id in link_ids]
    return [one for one in ended if one is not None]


def end(session: Session, runtime: Runtime, link: Link) -> None:
    """Mark a link as ended and wipe its tokens; the caller commits."""
    link.state, link.ended_at = ENDED, runtime.clock.now()
    link.can_refresh, link.expires_at, link.refresh_expires_at = False, None, None
    link.refresh_due_at = link.lease_until = link.lease_by = None
    link.failure = link.failed_at = link.asked_again_at = None
    link.failures = link.refusals = 0
    sealed.wipe(session, link.link_id)


def give_back(runtime: Runtime, service_id: str, tokens: sealed.Tokens) -> str:
    """Ask the provider to forget tokens that nobody needs any more, and say what it answered."""
    if not tokens.access and not tokens.refresh:
        return UNSUPPORTED
    try:
        provider.carry(runtime, service_id, provider.REVOKE, Release(tokens.access, tokens.refresh))
    except PatchbayError as error:
        cause = error.cause_code or error.code
        _log.warning("The provider %s did not forget a token: %s", service_id, cause)
        if cause == "OPERATION_UNSUPPORTED":
            return UNSUPPORTED
        return REFUSED if cause in _REFUSING else AWAY
    return REVOKED


def _opened(session: Session, runtime: Runtime, link_id: str) -> sealed.Tokens | None:
    """The tokens, to give them back; a link can be ended without them, too."""
    try:
        return sealed.get(session, runtime, link_id)
    except VaultError as error:
        _log.warning("The tokens of link %s cannot be read and are only wiped: %s", link_id, error)
        return None
