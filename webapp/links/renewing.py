"""Renewing the token of a link: by one process at a time, and only what was asked for is ever given up.

Who renews holds a lease on the link that outlasts any request, taken by comparing the generation of the token that
was read; the new token is stored only while both still stand. Whoever comes second reads again. A failure deletes
nothing: an outage is noted and tried again later, and only a second refusal of the grant, a minute after the first,
means that its owner has to sign in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.kit.accounts import Grant, Release, Renewal
from webapp.engine.problems import PatchbayError
from webapp.ids import uuid7
from webapp.links import provider, sealed
from webapp.links.reading import ACTIVE, NEEDS_SIGN_IN
from webapp.models.link import Link
from webapp.vault.errors import VaultError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from webapp.runtime import Runtime

DONE, BUSY, FAILED = "done", "busy", "failed"
LEASE = timedelta(milliseconds=4 * provider.REQUEST_MS)
AHEAD = timedelta(minutes=5)
AHEAD_PART = 5  # or this part of a short lifetime
CONFIRM_AFTER = timedelta(seconds=60)
CONFIRMED = 2
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=30)
RECENT = timedelta(days=1)
KEPT_ALIVE = timedelta(days=30)
REFUSED = "GRANT_REFUSED"
_STORE_TRIES, _STORE_WAIT_S = 5, 0.5
_log = logging.getLogger(__name__)


def margin(lifetime: timedelta) -> timedelta:
    """How long before its end a token is renewed."""
    return min(AHEAD, lifetime / AHEAD_PART)


@dataclass(frozen=True, slots=True)
class _Lease:
    """The right to renew one token of a link."""

    link_id: str
    service_id: str
    generation: int
    by: str


def renew(runtime: Runtime, link_id: str, generation: int) -> str:
    """Renew the token that was read with this generation: done, busy (another process does it) or failed."""
    try:
        with runtime.sessions() as session:
            lease = _take(session, runtime, link_id, generation)
            tokens = sealed.get(session, runtime, link_id) if lease else None
            session.commit()
    except VaultError as error:
        _log.error("The tokens of link %s cannot be read: %s", link_id, error)
        return FAILED
    if lease is None:
        return BUSY
    if tokens is None or tokens.refresh is None:
        _note(runtime, lease, "LINK_NEEDS_SIGN_IN", refused=True)
        return FAILED
    try:
        said = provider.carry(runtime, lease.service_id, provider.REFRESH, Renewal(tokens.refresh))
    except PatchbayError as error:
        _note(runtime, lease, error.cause_code or error.code, refused=error.code == REFUSED)
        return FAILED
    return _keep(runtime, lease, provider.grant_of(said))


def _take(session: Session, runtime: Runtime, link_id: str, generation: int) -> _Lease | None:
    """Take the lease, or find that the token is another one by now or that somebody else renews it."""
    now, by = runtime.clock.now(), uuid7()
    change = update(Link).where(
        Link.link_id == link_id,
        Link.generation == generation,
        Link.ended_at.is_(None),
        Link.state == ACTIVE,
        or_(Link.lease_until.is_(None), Link.lease_until <= now),
    )
    if not _count(session, change.values(lease_until=now + LEASE, lease_by=by)):
        return None
    service_id = session.scalar(select(Link.service_id).where(Link.link_id == link_id))
    return _Lease(link_id, service_id, generation, by) if service_id else None


def _keep(runtime: Runtime, lease: _Lease, grant: Grant) -> str:
    """Store the new token; a database that is away for a moment must not cost a person their link."""
    for turn in range(_STORE_TRIES):
        try:
            with runtime.sessions() as session:
                kept = _store(session, runtime, lease, grant)
                session.commit()
            break
        except (SQLAlchemyError, VaultError) as error:
            _log.error("The new token of link %s could not be kept: %s", lease.link_id, type(error).__name__)
            if turn == _STORE_TRIES - 1:
                return FAILED
            runtime.clock.sleep(_STORE_WAIT_S * 2**turn)
    if not kept:
        _let_go(runtime, lease, grant)
    return DONE


def _store(session: Session, runtime: Runtime, lease: _Lease, grant: Grant) -> bool:
    row = session.execute(
        select(Link.last_used_at, Link.linked_at).where(Link.link_id == lease.link_id)
    ).one_or_none()
    if row is None:
        return False
    used_at = row.last_used_at or row.linked_at
    values = lifetimes(runtime.clock.now(), grant, used_at=used_at, link_id=lease.link_id)
    if grant.scopes is not None:
        values["scopes"] = list(grant.scopes)
    change = update(Link).where(
        Link.link_id == lease.link_id,
        Link.generation == lease.generation,
        Link.lease_by == lease.by,
        Link.ended_at.is_(None),
    )
    if not _count(session, change.values(**values, **_HEALED, generation=lease.generation + 1)):
        return False
    tokens = sealed.Tokens(grant.access_token, grant.refresh_token)
    sealed.put(session, runtime, lease.link_id, lease.service_id, tokens)
    return True


_HEALED: dict[str, Any] = {
    "state": ACTIVE, "lease_until": None, "lease_by": None, "failure": None, "failed_at": None, "failures": 0,
    "refusals": 0,
}  # fmt: skip


def healed() -> dict[str, Any]:
    """What a link with a new token no longer carries along."""
    return dict(_HEALED)


def lifetimes(now: datetime, grant: Grant, *, used_at: datetime, link_id: str) -> dict[str, Any]:
    """When the tokens end and when they are due for renewal.

    Those in use are renewed ahead of their end, so that nobody waits for it; of the others only the refresh token is
    kept alive. Links that were made in the same minute are spread by their ids.
    """
    expires_at = now + timedelta(seconds=grant.expires_in) if grant.expires_in else None
    ends_at = now + timedelta(seconds=grant.refresh_expires_in) if grant.refresh_expires_in else None
    due: datetime | None = None
    if grant.refresh_token and expires_at is not None:
        early = margin(expires_at - now)
        spread = int(link_id[-4:], 16) / 0xFFFF
        idle = now - used_at > RECENT
        alive = min(now + KEPT_ALIVE, now + (ends_at - now) * 0.8) if ends_at else now + KEPT_ALIVE
        due = max(alive, expires_at) if idle else expires_at - early * (1 + spread / 2)
    return {
        "expires_at": expires_at,
        "refresh_expires_at": ends_at,
        "can_refresh": bool(grant.refresh_token),
        "refreshed_at": now,
        "refresh_due_at": due,
    }


def _let_go(runtime: Runtime, lease: _Lease, grant: Grant) -> None:
    """The link was ended while its token was renewed: nobody may keep what came back."""
    _log.warning("Link %s was ended while its token was renewed; the new token is given back.", lease.link_id)
    tokens = Release(grant.access_token, grant.refresh_token)
    try:
        provider.carry(runtime, lease.service_id, provider.REVOKE, tokens)
    except PatchbayError as error:
        _log.warning("The provider did not take the token of link %s back: %s", lease.link_id, error.code)


def _note(runtime: Runtime, lease: _Lease, code: str, *, refused: bool) -> None:
    """Write down that a renewal failed, and give the lease back."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        query = select(Link.failures, Link.refusals).where(
            Link.link_id == lease.link_id, Link.lease_by == lease.by
        )
        row = session.execute(query).one_or_none()
        if row is None:
            return
        refusals = row.refusals + 1 if refused else row.refusals
        over = refused and (refusals >= CONFIRMED or code == "LINK_NEEDS_SIGN_IN")
        wait = CONFIRM_AFTER if refused else min(FIRST_WAIT * 2 ** min(row.failures, 10), LONGEST_WAIT)
        values = {
            "failure": code, "failed_at": now, "failures": row.failures + 1, "refusals": refusals,
            "refresh_due_at": None if over else now + wait, "lease_until": None, "lease_by": None,
        }  # fmt: skip
        change = update(Link).where(Link.link_id == lease.link_id, Link.lease_by == lease.by)
        session.execute(change.values(**values, **({"state": NEEDS_SIGN_IN} if over else {})))
        session.commit()


def refused_in_use(runtime: Runtime, link_id: str, generation: int) -> None:
    """The provider refused a token that cannot be renewed; twice, a minute apart, and its owner has to sign in."""
    now = runtime.clock.now()
    with runtime.sessions() as session:
        here = (Link.link_id == link_id, Link.generation == generation, Link.state == ACTIVE)
        again = (Link.refusals > 0, Link.failed_at <= now - CONFIRM_AFTER)
        over = {"state": NEEDS_SIGN_IN, "refresh_due_at": None}
        noted = {
            "failure": REFUSED,
            "failed_at": now,
            "failures": Link.failures + 1,
            "refusals": Link.refusals + 1,
        }
        if not _count(session, update(Link).where(*here, *again).values(**over, **noted)):
            session.execute(update(Link).where(*here, Link.refusals == 0).values(**noted))
        session.commit()


def accepted_in_use(runtime: Runtime, link_id: str, generation: int) -> None:
    """The provider took a token that it seemed to refuse: there was no refusal."""
    with runtime.sessions() as session:
        change = update(Link).where(Link.link_id == link_id, Link.generation == generation, Link.refusals > 0)
        session.execute(change.values(failure=None, failed_at=None, failures=0, refusals=0))
        session.commit()


def ran_out(runtime: Runtime, link_id: str, generation: int) -> None:
    """A token ended that cannot be renewed."""
    with runtime.sessions() as session:
        change = update(Link).where(
            Link.link_id == link_id, Link.generation == generation, Link.state == ACTIVE
        )
        session.execute(
            change.values(state=NEEDS_SIGN_IN, failure="LINK_NEEDS_SIGN_IN", failed_at=runtime.clock.now())
        )
        session.commit()


def _count(session: Session, change: Any) -> int:
    done = session.execute(change.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount
