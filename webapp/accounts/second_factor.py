"""The second factor of a person: an authenticator app or passkeys, and recovery codes for when it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.accounts import passkeys, recovery, sessions, throttle, totp
from webapp.models.factor import SecondFactor
from webapp.models.secret import Secret
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable, audit

SCOPE = "system"
OWNER_TYPE = "user"
FIELD = "totp"


class CodeRefused(Exception):
    """A code was not accepted; wait is set, in seconds, when it was tried too often."""

    def __init__(self, message: Message, wait: int = 0) -> None:
        super().__init__(str(message))
        self.message = message
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the app has to be told: as a picture, and to type in."""

    seed: str
    address: str


def has_factor(session: Session, user: User) -> bool:
    """Tell whether signing in asks this person for a second step: a code of an app, or a passkey."""
    return has_app(session, user) or passkeys.has_any(session, user)


def has_app(session: Session, user: User) -> bool:
    """Tell whether this person has an authenticator app."""
    row = session.get(SecondFactor, user.user_id)
    return row is not None and row.confirmed_at is not None


def enrolment(session: Session, runtime: Runtime, user: User) -> Enrolment:
    """Return the seed this person is adding, making one at the first look; raises KeysLocked. The caller commits."""
    row = session.get(SecondFactor, user.user_id)
    if row is None:
        row = SecondFactor(user_id=user.user_id)
        session.add(row)
    seed = _open(session, runtime, row.pending_id)
    if seed is None:
        seed = totp.new_seed()
        sealed = runtime.vault.seal(
            session,
            scope=SCOPE,
            owner_type=OWNER_TYPE,
            owner_id=user.user_id,
            field=FIELD,
            value=seed,
            actor=user.email,
        )
        row.pending_id = sealed.id
    host = urlsplit(runtime.config.base_url or "").hostname or ""
    return Enrolment(seed, totp.address(seed, user.email, host))


def confirm(session: Session, runtime: Runtime, user: User, code: str) -> list[str]:
    """Make the app that was being added count, by a code of it, and return new recovery codes.

    Raises CodeRefused. Other browsers of the person are signed out; the caller commits.
    """
    row = session.get(SecondFactor, user.user_id)
    seed = _open(session, runtime, row.pending_id if row else None)
    if row is None or seed is None:
        raise CodeRefused(Message.of(N_("Scan the picture first.")))
    now = runtime.clock.now()
    # One step of tolerance: the first code tells whether the clocks agree, and opens nothing.
    step = totp.matching_step(seed, totp.cleaned(code), now, max(1, runtime.config.totp_window), 0)
    if step is None:
        raise CodeRefused(
            Message.of(N_("This code does not fit. Check that the clock of your phone is right."))
        )
    before = row.secret_id
    row.secret_id, row.pending_id, row.last_step, row.confirmed_at = row.pending_id, None, step, now
    session.flush()
    _drop_seed(session, before)
    sessions.end_all(session, user, but=sessions.current_id())
    audit.append(session, runtime, actor=user.email, action="mfa.enable", target=user.email)
    return recovery.renew(session, runtime, user)


def check(runtime: Runtime, user: User, text: str) -> str:
    """Take a code of the app or a recovery code and return which it was, "totp" or "recovery"; raises CodeRefused.

    Failures are counted and slow the next try down; the transaction is its own.
    """
    attempt = throttle.FactorAttempt(user.user_id)
    if wait := throttle.wait_seconds(runtime, attempt):
        raise CodeRefused(
            Message.of(N_("Too many attempts. Please wait %(seconds)s seconds."), seconds=wait), wait
        )
    with runtime.sessions() as session:
        method = _accept(session, runtime, user, text)
        if method == "recovery":
            detail = {"left": recovery.left(session, user)}
            audit.append(
                session, runtime, actor=user.email, action="mfa.recovery", target=user.email, detail=detail
            )
        elif method is None:
            audit.append(session, runtime, actor=user.email, action="mfa.failed", target=user.email)
        session.commit()
    if method is None:
        throttle.note_failure(runtime, attempt)
        raise CodeRefused(Message.of(N_("This code is wrong, used already or too old.")))
    throttle.note_success(runtime, attempt)
    return method


def remove(session: Session, runtime: Runtime, user: User, *, actor: str) -> None:
    """Take the app, the passkeys and the recovery codes of a person away; the caller commits."""
    passkeys.forget(session, user)
    row = session.get(SecondFactor, user.user_id)
    seeds = [row.secret_id, row.pending_id] if row else []
    if row is not None:
        session.delete(row)
        session.flush()
    for seed in seeds:
        _drop_seed(session, seed)
    recovery.forget(session, user)
    audit.append(session, runtime, actor=actor, action="mfa.remove", target=user.email)


def renew_codes(session: Session, runtime: Runtime, user: User) -> list[str]:
    """Give a person new recovery codes; those before stop working. The caller commits."""
    audit.append(session, runtime, actor=user.email, action="mfa.codes", target=user.email)
    return recovery.renew(session, runtime, user)


def _accept(session: Session, runtime: Runtime, user: User, text: str) -> str | None:
    if not totp.is_code(text):
        return "recovery" if recovery.use(session, runtime, user, text) else None
    row = session.get(SecondFactor, user.user_id)
    seed = _open(session, runtime, row.secret_id if row else None)
    if row is None or row.confirmed_at is None or seed is None:
        return None
    window = runtime.config.totp_window
    step = totp.matching_step(seed, totp.cleaned(text), runtime.clock.now(), window, row.last_step)
    return "totp" if step is not None and _use_step(session, user, step) else None


def _use_step(session: Session, user: User, step: int) -> bool:
    """Use a step up in one statement, so that of two people with the same code only one comes in."""
    newer = update(SecondFactor).where(SecondFactor.user_id == user.user_id, SecondFactor.last_step < step)
    result = session.execute(newer.values(last_step=step))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _open(session: Session, runtime: Runtime, secret_id: str | None) -> str | None:
    """Return a seed, or None when there is none or it cannot be read: recovery codes still work then."""
    if secret_id is None:
        return None
    try:
        return runtime.vault.open(session, secret_id)
    except SecretUnreadable:
        return None


def _drop_seed(session: Session, secret_id: str | None) -> None:
    if secret_id is not None:
        session.execute(delete(Secret).where(Secret.id == secret_id))
