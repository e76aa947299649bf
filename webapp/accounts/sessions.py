"""Browser sessions: the cookie is a random number, everything else stays here and can be ended here.

Visitors who have not signed in get a small signed cookie instead, for the token of their form: a stranger
can then not fill our database. It is dropped at sign-in, so nothing planted in it survives.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Flask, Request, Response, g, request, session
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import CursorResult, delete, exists, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import guests
from webapp.accounts.roles import PRIVILEGED
from webapp.extensions import runtime
from webapp.models.factor import SecondFactor
from webapp.models.passkey import Passkey
from webapp.models.session import UserSession
from webapp.models.user import User

COOKIE = "pb"
GUEST_COOKIE = "pb-guest"
IDLE = timedelta(minutes=30)
LIFETIME = timedelta(hours=12)
BY_PROVIDER = "oidc"
BY_PROXY = "handover"  # whose word is given anew with every request
STEPPED_UP_FOR = timedelta(minutes=10)
MAX_AGENT = 255

_SEEN_EVERY = timedelta(minutes=1)


class BrowserSession(SessionMixin):
    """What one browser carries between requests; `user` is None for a visitor.

    It is unreadable while the database cannot say who the browser belongs to.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        user: User | None = None,
        row: UserSession | None = None,
        has_factor: bool = False,
        unreadable: bool = False,
    ) -> None:
        self.data = data or {}
        self.unreadable = unreadable
        self.key = key
        self.user = user
        self.stepped_up_at = row.stepped_up_at if row else None
        self.method = row.method if row else None
        self.has_factor = has_factor
        self.modified = False
        self.closed = False

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.data[name] = value
        self.modified = True

    def __delitem__(self, name: str) -> None:
        del self.data[name]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class ServerSessions(SessionInterface):
    """Opens and saves sessions for Flask."""

    def open_session(self, app: Flask, request: Request) -> BrowserSession:  # noqa: ARG002 - Flask's signature
        """Return the session of the request: a signed-in one, a visitor's, or a new empty one."""
        if key := request.cookies.get(host_cookie(COOKIE)):
            try:
                found = _load(key)
            except OperationalError:
                # An error page is still wanted, and it asks for a session, too.
                return BrowserSession(unreadable=True)
            if found is not None:
                return found
        return BrowserSession(guests.read(request.cookies.get(host_cookie(GUEST_COOKIE))))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002
        """Keep what changed: in our table for a person, in the cookie for a visitor."""
        assert isinstance(session, BrowserSession)
        if session.closed:
            _forget_cookie(response, host_cookie(COOKIE))
        if session.key is not None:
            _save(session, response)
        elif session.modified:
            set_cookie(response, host_cookie(GUEST_COOKIE), guests.write(session.data), guests.LIFETIME)


def begin(user: User, method: str = "password") -> None:
    """Sign a person in: a new session with a new id, whatever this browser carried before.

    Whoever has just signed in has just shown who they are, so nothing asks again for a while.
    """
    current = _current()
    if current.key is not None:
        _delete(current.key)
    now = runtime().clock.now()
    key = secrets.token_urlsafe(32)
    # The form token is part of the new row: two first pages at once would each make, and one lose, their own.
    data = {"csrf_token": secrets.token_hex(20)}
    row = UserSession(
        id_hash=digest(key),
        user_id=user.user_id,
        data=data,
        created_at=now,
        last_seen_at=now,
        expires_at=now + LIFETIME,
        stepped_up_at=now,
        method=method,
        ip=request.remote_addr,
        user_agent=request.user_agent.string[:MAX_AGENT],
    )
    with runtime().sessions() as database:
        database.execute(delete(UserSession).where(UserSession.expires_at <= now))
        database.add(row)
        database.commit()
    current.data, current.key, current.user = data, key, user
    current.stepped_up_at, current.method = now, method
    current.modified = current.closed = False
    _let_go_of_tokens()
    g.began_session = True


def is_stepped_up() -> bool:
    """Tell whether the person of this session showed within the last minutes that it is them."""
    if _current().method == BY_PROXY:
        return True
    moment = _current().stepped_up_at
    return moment is not None and runtime().clock.now() - moment < STEPPED_UP_FOR


def step_up() -> None:
    """Note that the person has just shown again who they are; the session goes on under a new id."""
    current = _current()
    assert current.key is not None
    now, key = runtime().clock.now(), secrets.token_urlsafe(32)
    with runtime().sessions() as database:
        renewed = update(UserSession).where(UserSession.id_hash == digest(current.key))
        database.execute(renewed.values(id_hash=digest(key), stepped_up_at=now, last_seen_at=now))
        database.commit()
    current.key, current.stepped_up_at = key, now
    g.began_session = True


def lacks_factor() -> bool:
    """Tell whether the person's role asks for a second factor that they have not set up yet.

    Whoever comes through the sign-in provider proves there what is to be proved.
    """
    current = _current()
    asked = current.user is not None and current.user.role in PRIVILEGED and runtime().config.require_mfa
    return asked and not current.has_factor and current.method != BY_PROVIDER


def current_id() -> str | None:
    """Return what is stored of the id of this session."""
    key = _current().key
    return digest(key) if key else None


def end() -> None:
    """Sign this browser out; the cookie it held opens nothing any more."""
    current = _current()
    if current.key is not None:
        _delete(current.key)
    current.data, current.key, current.user = {}, None, None
    current.modified, current.closed = False, True
    _let_go_of_tokens()


def end_all(database: Session, user: User, *, but: str | None = None) -> int:
    """End the sessions of a person in the caller's transaction; `but` is the stored id of one to keep."""
    wanted = delete(UserSession).where(UserSession.user_id == user.user_id)
    result = database.execute(wanted if but is None else wanted.where(UserSession.id_hash != but))
    assert isinstance(result, CursorResult)
    return result.rowcount


def current_person() -> User | None:
    """Return who is signed in on this request."""
    return _current().user


def is_unreadable() -> bool:
    """Tell whether nobody knows who this is, because the database does not answer."""
    return _current().unreadable


def host_cookie(name: str) -> str:
    """Name a cookie: over https browsers then insist on https and on this very host."""
    return f"__Host-{name}" if _is_secure() else name


def set_cookie(response: BaseResponse, name: str, value: str, lifetime: timedelta | None) -> None:
    """Set a cookie no script can read; without a lifetime it goes when the browser closes."""
    response.set_cookie(
        name, value, max_age=lifetime, path="/", secure=_is_secure(), httponly=True, samesite="Lax"
    )


def digest(key: str) -> str:
    """Return what is stored of a session's id: a reader of the table cannot take a session over."""
    return hashlib.sha256(key.encode()).hexdigest()


def _current() -> BrowserSession:
    current = session._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy's own door
    assert isinstance(current, BrowserSession)
    return current


def _load(key: str) -> BrowserSession | None:
    """Read a session in a transaction of its own; nothing stays open for the rest of the request."""
    now = runtime().clock.now()
    with runtime().sessions() as database:
        passkey = exists().where(Passkey.user_id == UserSession.user_id)
        wanted = select(UserSession, User, SecondFactor.confirmed_at, passkey)
        wanted = wanted.join(User, User.user_id == UserSession.user_id)
        wanted = wanted.outerjoin(SecondFactor, SecondFactor.user_id == User.user_id)
        found = database.execute(wanted.where(UserSession.id_hash == digest(key))).first()
        if found is None:
            return None
        row, user, factor_since, has_passkey = found
        if row.expires_at <= now or row.last_seen_at + IDLE <= now or not user.is_active:
            return None
        data = dict(row.data)
        stale = now - row.last_seen_at >= _SEEN_EVERY
        database.expunge_all()
    if stale:
        _touch(key)
    return BrowserSession(data, key=key, user=user, row=row, has_factor=bool(factor_since or has_passkey))


def _touch(key: str) -> None:
    with runtime().sessions() as database:
        seen = update(UserSession).where(UserSession.id_hash == digest(key))
        database.execute(seen.values(last_seen_at=runtime().clock.now()))
        database.commit()


def _save(opened: BrowserSession, response: Response) -> None:
    assert opened.key is not None
    if opened.modified:
        with runtime().sessions() as database:
            changed = update(UserSession).where(UserSession.id_hash == digest(opened.key))
            database.execute(changed.values(data=dict(opened.data)))
            database.commit()
    if g.get("began_session"):
        set_cookie(response, host_cookie(COOKIE), opened.key, None)
        _forget_cookie(response, host_cookie(GUEST_COOKIE))


def _delete(key: str) -> None:
    with runtime().sessions() as database:
        database.execute(delete(UserSession).where(UserSession.id_hash == digest(key)))
        database.commit()


def _forget_cookie(response: BaseResponse, name: str) -> None:
    if name in request.cookies:
        response.delete_cookie(name, path="/", secure=_is_secure(), httponly=True, samesite="Lax")


def _is_secure() -> bool:
    return request.is_secure or (runtime().config.base_url or "").startswith("https://")


def _let_go_of_tokens() -> None:
    """Drop the form token made earlier in this request; the next form gets one of the new session."""
    g.pop("csrf_token", None)
