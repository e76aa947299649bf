"""One-time links by which a person chooses a password: an invitation, or a new start after a reset.

Nobody else ever knows the password, and no mail is needed: whoever makes a link hands it over.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from webapp.accounts import users
from webapp.models.factor import AccountLink
from webapp.models.user import User
from webapp.runtime import Runtime

INVITE, RESET = "invite", "reset"
LIFETIMES = {INVITE: timedelta(days=3), RESET: timedelta(days=1)}


class LinkRefused(Exception):
    """The link is unknown, used, too old, or its person is shut out."""


def issue(session: Session, runtime: Runtime, user: User, purpose: str, *, actor: str) -> str:
    """Make the text of a new link's token; older links of this person stop working. The caller commits."""
    text, now = secrets.token_urlsafe(32), runtime.clock.now()
    session.execute(delete(AccountLink).where(AccountLink.user_id == user.user_id))
    session.add(
        AccountLink(
            token_hash=_digest(text),
            user_id=user.user_id,
            purpose=purpose,
            created_by=actor,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    return text


def holder(session: Session, runtime: Runtime, text: str) -> User:
    """Return whom a link is for; raises LinkRefused unless it would work now."""
    link = session.get(AccountLink, _digest(text))
    if link is None or link.used_at is not None or link.expires_at <= runtime.clock.now():
        raise LinkRefused
    user = session.get_one(User, link.user_id)
    if not user.is_active:
        raise LinkRefused
    return user


def redeem(session: Session, runtime: Runtime, text: str, password: str) -> User:
    """Set the password and use the link up; raises LinkRefused or UserInvalid, and the caller commits."""
    user = holder(session, runtime, text)
    users.set_password(session, runtime, user, password, actor=user.email)
    unused = update(AccountLink).where(AccountLink.token_hash == _digest(text), AccountLink.used_at.is_(None))
    result = session.execute(unused.values(used_at=runtime.clock.now()))
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise LinkRefused
    return user


def open_links(session: Session, runtime: Runtime) -> dict[str, AccountLink]:
    """Return the links that still work, by the id of their person."""
    open_now = select(AccountLink).where(
        AccountLink.used_at.is_(None), AccountLink.expires_at > runtime.clock.now()
    )
    return {link.user_id: link for link in session.scalars(open_now)}


def revoke(session: Session, user: User) -> None:
    """Make the links of a person useless; the caller commits."""
    session.execute(delete(AccountLink).where(AccountLink.user_id == user.user_id))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
