"""Whom a trusted proxy hands over: checked to the letter, and never more than an end user.

The header `Patchbay-User` is `v1.<time>.<nonce>.<person>.<signature>`: seconds since 1970, 16 or more characters that
are never used twice, a JSON object with `sub`, `email` and perhaps `name` in base64url, and the HMAC-SHA256 in
hexadecimal of what is before it together with the method, the host and the path of the very request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.accounts import users
from webapp.accounts.roles import Role
from webapp.handoverconfig import Handover
from webapp.models.session import Throttle
from webapp.models.user import User
from webapp.runtime import Runtime

HEADER = "Patchbay-User"
ACTOR = "handover"
WINDOW = timedelta(seconds=60)
_FORM = re.compile(r"v1\.([0-9]{1,12})\.([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{1,2000})\.([0-9a-f]{64})")
_SUBJECT_MAX = 200
_KEY = "handover:"


class HandoverRefused(Exception):
    """Nobody came in; the words are for the log."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a header says and proves. `nonce` is used up when it begins a session."""

    subject: str
    email: str
    name: str
    nonce: str

    @property
    def identity(self) -> str:
        """How the person is known again."""
        return f"{ACTOR}|{self.subject}"


def is_trusted(config: Handover, address: str | None) -> bool:
    """Whether a request came straight from the proxy."""
    try:
        peer = ip_address(address or "")
    except ValueError:
        return False
    return any(peer in ip_network(network) for network in config.networks)


def signature(key: str, head: str, method: str, host: str, path: str) -> str:
    """What the proxy has to add to `v1.<time>.<nonce>.<person>` for a request; `path` is as it was sent, with the query."""
    signed = f"{head}\n{method}\n{host.lower()}\n{path}"
    return hmac.digest(key.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def verify(runtime: Runtime, config: Handover, header: str, *, method: str, host: str, path: str) -> Claimed:
    """Return whom a header hands over for this very request; raises HandoverRefused."""
    match = _FORM.fullmatch(header)
    if match is None:
        raise HandoverRefused("the header has another form")
    head, _, given = header.rpartition(".")
    if not hmac.compare_digest(signature(config.key, head, method, host, path), given):
        raise HandoverRefused("the signature is not for this request")
    age = runtime.clock.now().timestamp() - int(match[1])
    if abs(age) > WINDOW.total_seconds():
        raise HandoverRefused(f"it was signed {age:.0f} s ago")
    return _person(match[3], match[2])


def _person(text: str, nonce: str) -> Claimed:
    try:
        said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        subject, email = said["sub"], said["email"]
        name = said.get("name") or ""
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        raise HandoverRefused("the person cannot be read") from None
    words = (subject, email, name)
    if not all(isinstance(word, str) and word.isprintable() for word in words):
        raise HandoverRefused("the person cannot be read")
    if not 0 < len(subject) <= _SUBJECT_MAX:
        raise HandoverRefused("the subject is empty or too long")
    return Claimed(subject, users.normalized_email(email), " ".join(name.split())[: users.MAX_NAME], nonce)


def admit(session: Session, runtime: Runtime, claimed: Claimed) -> User:
    """Return the account of a person who begins a session, made if it is new; raises HandoverRefused.

    The caller commits, also after a refusal: the nonce is used up either way.
    """
    _use_up(session, runtime, claimed.nonce)
    user = session.scalar(select(User).where(User.identity == claimed.identity))
    if user is None:
        user = _new(session, runtime, claimed)
    if not user.is_active:
        raise HandoverRefused("the account is disabled")
    if user.role != Role.MEMBER:
        raise HandoverRefused("only end users are handed over")
    return user


def _new(session: Session, runtime: Runtime, claimed: Claimed) -> User:
    """An account that exists here already is not taken over by its address."""
    name = claimed.name or claimed.email.partition("@")[0]
    try:
        user = users.create_user(
            session, runtime, email=claimed.email, name=name, role=Role.MEMBER, password=None, actor=ACTOR
        )
    except users.UserInvalid as invalid:
        raise HandoverRefused(str(invalid)) from None
    user.identity = claimed.identity
    return user


def _use_up(session: Session, runtime: Runtime, nonce: str) -> None:
    """Let a nonce begin one session only; it is kept as long as its header could be sent again."""
    now = runtime.clock.now()
    old = delete(Throttle).where(Throttle.key.startswith(_KEY), Throttle.window_started_at < now - 2 * WINDOW)
    session.execute(old)
    session.add(
        Throttle(key=f"{_KEY}{hashlib.sha256(nonce.encode()).hexdigest()}", count=1, window_started_at=now)
    )
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise HandoverRefused("it was sent before") from None
