"""The browsers a person is signed in with: which there are, and ending one or all others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from webapp.accounts import sessions
from webapp.models.session import UserSession
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import audit

HANDLE = 16
_NAMES = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser; the handle names its session in forms and opens nothing."""

    handle: str
    browser: str
    ip: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    is_this: bool


def open_sessions(session: Session, runtime: Runtime, user: User) -> list[OpenSession]:
    """List the sessions of a person that still work, this browser's first, then the latest."""
    now = runtime.clock.now()
    alive = (
        UserSession.user_id == user.user_id,
        UserSession.expires_at > now,
        UserSession.last_seen_at > now - sessions.IDLE,
    )
    rows = session.scalars(select(UserSession).where(*alive).order_by(UserSession.last_seen_at.desc()))
    found = [_described(row) for row in rows]
    return sorted(found, key=lambda one: not one.is_this)


def counts(session: Session, runtime: Runtime) -> dict[str, int]:
    """Count the sessions that still work, by person."""
    now = runtime.clock.now()
    alive = UserSession.expires_at > now, UserSession.last_seen_at > now - sessions.IDLE
    query = select(UserSession.user_id, func.count()).where(*alive).group_by(UserSession.user_id)
    return {str(user_id): count for user_id, count in session.execute(query)}


def end_one(session: Session, runtime: Runtime, user: User, handle: str) -> bool:
    """End one session of a person; False when there is none of that name. The caller commits."""
    if not re.fullmatch(r"[0-9a-f]{16}", handle):
        return False
    own = UserSession.user_id == user.user_id, UserSession.id_hash.startswith(handle)
    result = session.execute(delete(UserSession).where(*own))
    assert isinstance(result, CursorResult)
    if result.rowcount:
        audit.append(session, runtime, actor=user.email, action="session.end", target=user.email)
    return bool(result.rowcount)


def end_others(session: Session, runtime: Runtime, user: User) -> int:
    """End every session of a person but this one, and return how many those were. The caller commits."""
    count = sessions.end_all(session, user, but=sessions.current_id())
    if count:
        detail = {"count": count}
        audit.append(
            session, runtime, actor=user.email, action="session.end_others", target=user.email, detail=detail
        )
    return count


def describe(agent: str | None) -> str:
    """Name the browser and the system behind a User-Agent; the text itself when neither is known."""
    text = agent or ""
    name = next((name for mark, name in _NAMES if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    return " · ".join(part for part in (name, system) if part) or text[:60] or "–"


def _described(row: UserSession) -> OpenSession:
    return OpenSession(
        handle=row.id_hash[:HANDLE],
        browser=describe(row.user_agent),
        ip=row.ip or "–",
        method=row.method or "password",
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ends_at=min(row.expires_at, row.last_seen_at + sessions.IDLE),
        is_this=row.id_hash == sessions.current_id(),
    )
