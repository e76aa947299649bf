"""The first owner: a link that works once, for half an hour, while nobody owns this Patchbay."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from webapp.accounts.roles import Role
from webapp.accounts.users import create_user, has_owner
from webapp.models.session import SetupToken
from webapp.models.user import User
from webapp.runtime import Runtime

LIFETIME = timedelta(minutes=30)


class SetupRefused(Exception):
    """The link is unknown, used, too old, or no longer needed."""


def needed(session: Session) -> bool:
    """Tell whether this Patchbay still waits for its owner."""
    return not has_owner(session)


def issue(session: Session, runtime: Runtime) -> str:
    """Make the text of a new link's token; older links stop working. The caller commits."""
    if not needed(session):
        raise SetupRefused
    text = secrets.token_urlsafe(32)
    now = runtime.clock.now()
    session.execute(delete(SetupToken))
    session.add(SetupToken(token_hash=_digest(text), created_at=now, expires_at=now + LIFETIME))
    return text


def check(session: Session, runtime: Runtime, text: str) -> None:
    """Raise SetupRefused unless this token would make an owner now."""
    token = session.scalar(select(SetupToken).where(SetupToken.token_hash == _digest(text)))
    usable = token is not None and token.used_at is None and token.expires_at > runtime.clock.now()
    if not usable or not needed(session):
        raise SetupRefused


def redeem(
    session: Session, runtime: Runtime, text: str, *, email: str, name: str, password: str, locale: str | None
) -> User:
    """Make the owner and use the token up; raises SetupRefused or UserInvalid, and the caller commits."""
    check(session, runtime, text)
    owner = create_user(
        session,
        runtime,
        email=email,
        name=name,
        role=Role.OWNER,
        password=password,
        actor="setup",
        locale=locale,
    )
    _use_up(session, runtime, text)
    return owner


def _use_up(session: Session, runtime: Runtime, text: str) -> None:
    """Mark the token used in one statement, so that of two people with the link only one becomes owner."""
    unused = SetupToken.token_hash == _digest(text), SetupToken.used_at.is_(None)
    result = session.execute(update(SetupToken).where(*unused).values(used_at=runtime.clock.now()))
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise SetupRefused


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
