"""Passkeys: signing in with a device that holds a key, beside the password or in the place of password and code.

The device signs a challenge of ours for this very site, so there is nothing to phish and nothing here to steal. In
the place of both steps only a key counts whose device asked its owner for a finger, a face or a PIN.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import request
from flask import session as browser
from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.accounts import webauthn
from webapp.accounts.webauthn import Site
from webapp.models.passkey import Passkey
from webapp.models.session import Throttle
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import audit

CHALLENGE = "passkey"
CHALLENGE_FOR = timedelta(minutes=5)
MAX_NAME = 120
MOST = 20
MOST_BYTES = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,1400}")


class PasskeyRefused(Exception):
    """A passkey was not accepted; the message says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def site(runtime: Runtime) -> Site | None:
    """This site as browsers know it; None where they offer no passkeys: without https, or at a bare address."""
    url = urlsplit(runtime.config.base_url or request.host_url)
    name = url.hostname or ""
    if url.scheme != "https" and name != "localhost":
        return None
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return Site(name, f"{url.scheme}://{url.netloc}")
    return None


def of(session: Session, user: User) -> Sequence[Passkey]:
    """The passkeys of a person, the oldest first."""
    wanted = select(Passkey).where(Passkey.user_id == user.user_id)
    return session.scalars(wanted.order_by(Passkey.created_at, Passkey.passkey_id)).all()


def has_any(session: Session, user: User) -> bool:
    """Tell whether a person has a passkey."""
    return bool(session.scalar(select(exists().where(Passkey.user_id == user.user_id))))


def to_create(session: Session, runtime: Runtime, user: User) -> str | None:
    """What the browser needs to make a passkey, as JSON; None where there are none to be had."""
    here = site(runtime)
    if here is None:
        return None
    known = [one.credential_id for one in of(session, user)]
    return webauthn.creation(here, user, known, _challenge(runtime))


def to_use(runtime: Runtime, known: Sequence[Passkey] = ()) -> str | None:
    """What the browser needs to use a passkey: one of these, or whichever its owner picks, who is then verified."""
    here = site(runtime)
    if here is None:
        return None
    return webauthn.request(here, [one.credential_id for one in known], _challenge(runtime))


def add(session: Session, runtime: Runtime, user: User, name: str, answer: str) -> Passkey:
    """Keep a passkey that the browser has just made; raises PasskeyRefused. The caller commits."""
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        message = N_("Give the passkey a name of 1 to %(count)s characters.")
        raise PasskeyRefused(Message.of(message, count=MAX_NAME))
    if len(of(session, user)) >= MOST:
        raise PasskeyRefused(Message.of(N_("At most %(count)s passkeys are kept."), count=MOST))
    here, challenge = _expected(runtime)
    try:
        made = webauthn.verify_creation(_parsed(answer), challenge, here)
    except webauthn.Refused:
        raise PasskeyRefused(Message.of(N_("The browser's answer does not fit. Please try again."))) from None
    passkey = Passkey(
        user_id=user.user_id,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        is_synced=made.is_synced,
        name=name,
        created_at=runtime.clock.now(),
    )
    session.add(passkey)
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise PasskeyRefused(Message.of(N_("This passkey is known here already."))) from None
    audit.append(
        session, runtime, actor=user.email, action="passkey.add", target=user.email, detail={"name": name}
    )
    return passkey


def check(runtime: Runtime, answer: str, user: User | None = None) -> User:
    """Return whose passkey signed our challenge; raises PasskeyRefused. The transaction is its own.

    With a user, only that person's passkeys count; without, the device must have verified its owner.
    """
    here, challenge = _expected(runtime)
    parsed = _parsed(answer)
    with runtime.sessions() as session:
        passkey = session.scalar(select(Passkey).where(Passkey.credential_id == _name_in(parsed)))
        owner = session.get(User, passkey.user_id) if passkey else None
        try:
            _require_owner(owner, user)
            assert passkey is not None
            count = webauthn.verify_use(parsed, challenge, here, passkey, verified=user is None)
        except webauthn.Refused:
            who = owner.email if owner else "unknown"
            audit.append(session, runtime, actor=who, action="passkey.refused", target=who)
            session.commit()
            text = N_("This passkey does not open the account. Use another one, or your password.")
            raise PasskeyRefused(Message.of(text)) from None
        assert passkey is not None
        assert owner is not None
        passkey.sign_count, passkey.last_used_at = count, runtime.clock.now()
        session.commit()
        return owner


def _require_owner(owner: User | None, wanted: User | None) -> None:
    """Refuse a passkey that nobody, somebody who is shut out, or somebody else has.

    While a password is being reset nobody comes in without the link, so a passkey alone opens nothing then.
    """
    if owner is None or not owner.is_active or (wanted is not None and owner.user_id != wanted.user_id):
        raise webauthn.Refused
    if wanted is None and not owner.password_hash and not owner.identity:
        raise webauthn.Refused


def remove(session: Session, runtime: Runtime, user: User, passkey: Passkey) -> None:
    """Forget one passkey; the device may keep its half, which opens nothing any more. The caller commits."""
    detail = {"name": passkey.name}
    session.delete(passkey)
    audit.append(
        session, runtime, actor=user.email, action="passkey.remove", target=user.email, detail=detail
    )


def forget(session: Session, user: User) -> None:
    """Forget all passkeys of a person. The caller commits."""
    session.execute(delete(Passkey).where(Passkey.user_id == user.user_id))


def _challenge(runtime: Runtime) -> bytes:
    """Make a challenge, and remember it with this browser."""
    challenge = webauthn.challenge()
    browser[CHALLENGE] = [base64.b64encode(challenge).decode(), runtime.clock.now().timestamp()]
    return challenge


def _expected(runtime: Runtime) -> tuple[Site, bytes]:
    """Take back the challenge of this browser; it counts once, even if the cookie that carries it comes again."""
    here = site(runtime)
    text, since = browser.pop(CHALLENGE, None) or ("", 0.0)
    age = runtime.clock.now().timestamp() - since
    if (
        here is None
        or not text
        or not 0 <= age < CHALLENGE_FOR.total_seconds()
        or not _used_up(runtime, text)
    ):
        raise PasskeyRefused(Message.of(N_("That took too long. Please try again.")))
    return here, base64.b64decode(text)


def _used_up(runtime: Runtime, text: str) -> bool:
    """Use a challenge up; of two at once only one succeeds."""
    key = f"passkey:{hashlib.sha256(text.encode()).hexdigest()}"
    with runtime.sessions() as session:
        session.add(Throttle(key=key, count=1, window_started_at=runtime.clock.now()))
        try:
            session.commit()
        except IntegrityError:
            return False
    return True


def _name_in(parsed: Mapping[str, Any]) -> str:
    """The name of the key in the browser's answer; of no key when it is none."""
    name = parsed.get("id")
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


def _parsed(answer: str) -> dict[str, Any]:
    """The browser's answer; raises PasskeyRefused for what is none."""
    try:
        found = json.loads(answer) if len(answer) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PasskeyRefused(Message.of(N_("The browser's answer does not fit. Please try again.")))
    return found
