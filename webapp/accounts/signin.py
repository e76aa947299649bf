"""Signing in: the throttle, the password, the second factor, the audit, and then a session."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from flask import current_app, request
from flask import session as browser
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from adapters.kit import Message, N_
from webapp.accounts import passkeys, passwords, second_factor, sessions, throttle, users
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import audit

KNOWN_COOKIE = "pb-known"
KNOWN_FOR = timedelta(days=180)
HALFWAY = "halfway"
HALFWAY_FOR = timedelta(minutes=5)


class SignInRefused(Exception):
    """Nobody was signed in; wait is set, in seconds, when it was tried too often."""

    def __init__(self, message: Message, wait: int = 0) -> None:
        super().__init__(str(message))
        self.message = message
        self.wait = wait


class SecondFactorNeeded(Exception):
    """The password was right; a code of the second factor is still to come."""


class HalfwayGone(Exception):
    """Nobody is halfway in on this browser, or it took too long: start again with the password."""


def sign_in(runtime: Runtime, email: str, password: str) -> User:
    """Begin a session for whom this address and password belong to; raises SignInRefused or SecondFactorNeeded.

    The refusal is the same for a wrong password, an unknown address and a disabled account.
    """
    email = users.normalized_email(email)
    attempt = throttle.Attempt(email, request.remote_addr or "", _is_known_browser(email))
    if wait := throttle.wait_seconds(runtime, attempt):
        raise SignInRefused(
            Message.of(N_("Too many attempts. Please wait %(seconds)s seconds."), seconds=wait), wait
        )
    user = _authenticate(runtime, email, password)
    if user is None:
        throttle.note_failure(runtime, attempt)
        raise SignInRefused(Message.of(N_("This email address and password do not belong together.")))
    throttle.note_success(runtime, attempt)
    return admit(runtime, user)


def admit(runtime: Runtime, user: User) -> User:
    """Begin the session of a person who gave the right password; raises SecondFactorNeeded when they have one."""
    with runtime.sessions() as session:
        has_factor = second_factor.has_factor(session, user)
    if has_factor:
        browser[HALFWAY] = [user.user_id, runtime.clock.now().timestamp(), _print(user)]
        raise SecondFactorNeeded
    enter(runtime, user, "password")
    return user


def finish(runtime: Runtime, code: str) -> User:
    """Begin the session of whoever is halfway in, by a code; raises CodeRefused or HalfwayGone."""
    user = halfway(runtime)
    method = second_factor.check(runtime, user, code)
    enter(runtime, user, method)
    return user


def finish_with_passkey(runtime: Runtime, answer: str) -> User:
    """Begin the session of whoever is halfway in, by one of their passkeys; raises PasskeyRefused or HalfwayGone."""
    user = passkeys.check(runtime, answer, halfway(runtime))
    enter(runtime, user, "passkey")
    return user


def by_passkey(runtime: Runtime, answer: str) -> User:
    """Begin the session of the owner of a passkey, without a password; raises PasskeyRefused."""
    user = passkeys.check(runtime, answer)
    enter(runtime, user, "passkey")
    return user


def halfway(runtime: Runtime) -> User:
    """Return who gave the right password on this browser within the last minutes; raises HalfwayGone."""
    user_id, since, mark = browser.get(HALFWAY) or ("", 0.0, "")
    age = runtime.clock.now().timestamp() - since
    with runtime.sessions() as session:
        user = session.get(User, user_id)
    if user is None or not user.is_active or not 0 <= age < HALFWAY_FOR.total_seconds():
        raise HalfwayGone
    if not hmac.compare_digest(mark, _print(user)):
        raise HalfwayGone
    return user


def confirm_password(runtime: Runtime, user: User, password: str) -> None:
    """Check the password of a person who is signed in; raises CodeRefused, and slows guesses down."""
    attempt = throttle.FactorAttempt(user.user_id)
    if wait := throttle.wait_seconds(runtime, attempt):
        message = Message.of(N_("Too many attempts. Please wait %(seconds)s seconds."), seconds=wait)
        raise second_factor.CodeRefused(message, wait)
    if not user.password_hash or not passwords.matches(user.password_hash, password):
        throttle.note_failure(runtime, attempt)
        raise second_factor.CodeRefused(Message.of(N_("This is not your password.")))
    throttle.note_success(runtime, attempt)


def sign_out(runtime: Runtime, user: User) -> None:
    """End the session of this browser."""
    sessions.end()
    with runtime.sessions() as session:
        audit.append(
            session, runtime, actor=user.email, action="sign_out", target=user.email, detail=_origin()
        )
        session.commit()


def remember_browser(response: Response, user: User) -> None:
    """Mark a browser as one this person signed in with, so that a stranger's guesses do not slow it down."""
    name = sessions.host_cookie(KNOWN_COOKIE)
    sessions.set_cookie(response, name, _signer().dumps(user.email), KNOWN_FOR)


def _authenticate(runtime: Runtime, email: str, password: str) -> User | None:
    """Check the password and write what came of it into the audit."""
    with runtime.sessions() as session:
        user = users.check_password(session, email, password)
        if user is None:
            # What was typed may be a password in the wrong field: only addresses we know are written down.
            target = email if users.find_by_email(session, email) else "unknown"
            audit.append(
                session, runtime, actor=target, action="sign_in.failed", target=target, detail=_origin()
            )
        session.commit()
        return user


def enter(runtime: Runtime, user: User, method: str) -> None:
    """Begin the session of a person who proved who they are, and write it down."""
    sessions.begin(user, method)
    with runtime.sessions() as session:
        session.get_one(User, user.user_id).last_login_at = runtime.clock.now()
        detail = _origin() | {"method": method}
        audit.append(session, runtime, actor=user.email, action="sign_in", target=user.email, detail=detail)
        session.commit()


def _print(user: User) -> str:
    """Tell one password from the next, so that a new one ends what began with the old one."""
    return hashlib.sha256((user.password_hash or "").encode()).hexdigest()[:16]


def _origin() -> dict[str, object]:
    return {"ip": request.remote_addr}


def _is_known_browser(email: str) -> bool:
    try:
        return bool(_signer().loads(request.cookies.get(sessions.host_cookie(KNOWN_COOKIE), "")) == email)
    except BadSignature:
        return False


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="patchbay-known-browser")
