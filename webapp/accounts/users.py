"""People: making them, knowing them again, and changing their password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.accounts import passwords, sessions
from webapp.accounts.roles import Role
from webapp.ids import uuid7
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import audit

MAX_EMAIL = 254
MAX_NAME = 120

_EMAIL = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f]+@[^\s@<>()\[\],;:\\\"\x00-\x1f]+\.[^\s@.<>()\[\],;:\\\"\x00-\x1f]+"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a person."""

    field: str
    message: Message


class UserInvalid(Exception):
    """A person cannot be saved as given; problems say why, one a field."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem.message) for problem in problems))
        self.problems = problems


def create_user(
    session: Session,
    runtime: Runtime,
    *,
    email: str,
    name: str,
    role: str,
    password: str | None,
    actor: str,
    locale: str | None = None,
) -> User:
    """Add a person, or raise UserInvalid with everything that is wrong; the caller commits.

    Without a password nobody can sign in as them until they chose one by a link.
    """
    email, name = normalized_email(email), " ".join(name.split())
    problems = [
        *_email_problems(session, email),
        *_name_problems(name),
        *_role_problems(role),
        *([] if password is None else _password_problems(runtime, email, name, password)),
    ]
    if problems:
        raise UserInvalid(problems)
    user = User(
        user_id=uuid7(),
        email=email,
        name=name,
        role=role,
        password_hash=None if password is None else passwords.hash_password(password),
        locale=locale,
        is_active=True,
        created_at=runtime.clock.now(),
    )
    session.add(user)
    audit.append(session, runtime, actor=actor, action="user.create", target=email, detail={"role": role})
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """Return the person with this address, however it is spelled."""
    return session.scalar(select(User).where(User.email == normalized_email(email)))


def has_owner(session: Session) -> bool:
    """Tell whether somebody already owns this Patchbay."""
    return bool(session.scalar(select(func.count()).select_from(User).where(User.role == Role.OWNER)))


def check_password(session: Session, email: str, password: str) -> User | None:
    """Return the active person this password belongs to; everybody else costs the same time."""
    user = find_by_email(session, email)
    known = passwords.matches(user.password_hash if user else None, password)
    if user is None or not known or not user.is_active:
        return None
    if user.password_hash and passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password)
    return user


def set_password(
    session: Session, runtime: Runtime, user: User, password: str, *, actor: str, keep: str | None = None
) -> None:
    """Give a person a new password and end their sessions, or raise UserInvalid; keep is the id of one that stays."""
    if problems := _password_problems(runtime, user.email, user.name, password):
        raise UserInvalid(problems)
    user.password_hash = passwords.hash_password(password)
    sessions.end_all(session, user, but=keep)
    audit.append(session, runtime, actor=actor, action="user.password", target=user.email, detail={})


def disable(session: Session, runtime: Runtime, user: User, *, actor: str) -> None:
    """Shut a person out: no sign-in, and no session that goes on."""
    user.is_active = False
    sessions.end_all(session, user)
    audit.append(session, runtime, actor=actor, action="user.disable", target=user.email, detail={})


def normalized_email(email: str) -> str:
    """Return the one spelling under which an address is stored."""
    return email.strip().lower()


def _email_problems(session: Session, email: str) -> list[Problem]:
    if not _EMAIL.fullmatch(email) or len(email) > MAX_EMAIL:
        return [Problem("email", Message.of(N_("Enter an email address such as lin@example.com.")))]
    if find_by_email(session, email):
        return [Problem("email", Message.of(N_("Somebody with this email address exists already.")))]
    return []


def _name_problems(name: str) -> list[Problem]:
    if name and len(name) <= MAX_NAME and name.isprintable():
        return []
    return [Problem("name", Message.of(N_("Enter a name of 1 to %(count)s characters."), count=MAX_NAME))]


def _role_problems(role: str) -> list[Problem]:
    return (
        []
        if role in set(Role)
        else [Problem("role", Message.of(N_("There is no role %(role)s."), role=role))]
    )


def _password_problems(runtime: Runtime, email: str, name: str, password: str) -> list[Problem]:
    host = urlsplit(runtime.config.base_url or "").hostname or ""
    weakness = passwords.weakness(password, (email, name, host))
    return [Problem("password", weakness)] if weakness else []
