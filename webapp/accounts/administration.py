"""What administrators do to accounts, within limits: nobody rises above oneself, and an owner always remains."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.accounts import links, second_factor, sessions, users
from webapp.accounts.roles import Role, grantable
from webapp.db import begin_write
from webapp.models.user import User
from webapp.runtime import Runtime
from webapp.vault import audit


class AdministrationRefused(Exception):
    """An account may not be changed that way; the message says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def invite(
    session: Session, runtime: Runtime, *, email: str, name: str, role: str, actor: User
) -> tuple[User, str]:
    """Add a person without a password and return them with the text of their link's token.

    Raises UserInvalid or AdministrationRefused; the caller commits.
    """
    if role in set(Role) and Role(role) not in grantable(actor.role):
        raise AdministrationRefused(Message.of(N_("You cannot give a role above your own.")))
    user = users.create_user(
        session, runtime, email=email, name=name, role=role, password=None, actor=actor.email
    )
    session.flush()
    return user, links.issue(session, runtime, user, links.INVITE, actor=actor.email)


def change_role(session: Session, runtime: Runtime, user: User, role: str, *, actor: User) -> None:
    """Give a person another role; it counts from their next request on."""
    _check(user, actor)
    if role not in set(Role):
        raise AdministrationRefused(Message.of(N_("There is no role %(role)s."), role=role))
    if Role(role) not in grantable(actor.role):
        raise AdministrationRefused(Message.of(N_("You cannot give a role above your own.")))
    if role != Role.OWNER:
        _keep_an_owner(session, user)
    detail = {"from": user.role, "to": role}
    user.role = role
    audit.append(session, runtime, actor=actor.email, action="user.role", target=user.email, detail=detail)


def disable(session: Session, runtime: Runtime, user: User, *, actor: User) -> None:
    """Shut a person out: no sign-in, no session that goes on, no link that works."""
    _check(user, actor)
    _keep_an_owner(session, user)
    links.revoke(session, user)
    users.disable(session, runtime, user, actor=actor.email)


def enable(session: Session, runtime: Runtime, user: User, *, actor: User) -> None:
    """Let a person in again."""
    _check(user, actor)
    user.is_active = True
    audit.append(session, runtime, actor=actor.email, action="user.enable", target=user.email)


def reset_password(session: Session, runtime: Runtime, user: User, *, actor: User) -> str:
    """Make the password useless at once and return the token of a link for a new one; the second factor stays."""
    _check(user, actor)
    purpose = links.RESET if user.password_hash else links.INVITE
    user.password_hash = None
    sessions.end_all(session, user)
    audit.append(session, runtime, actor=actor.email, action="user.password_reset", target=user.email)
    return links.issue(session, runtime, user, purpose, actor=actor.email)


def reset_factor(session: Session, runtime: Runtime, user: User, *, actor: User) -> None:
    """Take the second factor of a person away, who then signs in by password and sets up a new one."""
    _check(user, actor)
    second_factor.remove(session, runtime, user, actor=actor.email)
    sessions.end_all(session, user)


def end_sessions(session: Session, runtime: Runtime, user: User, *, actor: User) -> int:
    """Sign a person out everywhere; returns how many browsers that were."""
    _check(user, actor)
    count = sessions.end_all(session, user)
    detail = {"count": count}
    audit.append(
        session, runtime, actor=actor.email, action="user.sign_out", target=user.email, detail=detail
    )
    return count


def may_administer(actor: User, user: User) -> bool:
    """Tell whether one person may change the account of another."""
    return actor.user_id != user.user_id and Role(user.role) in grantable(actor.role)


def _check(user: User, actor: User) -> None:
    if actor.user_id == user.user_id:
        raise AdministrationRefused(
            Message.of(N_("This is your own account. Somebody else has to change it that way."))
        )
    if not may_administer(actor, user):
        raise AdministrationRefused(Message.of(N_("You cannot change an account whose role is above yours.")))


def _keep_an_owner(session: Session, user: User) -> None:
    """Refuse what would leave nobody who may do everything; two of us at once are kept apart."""
    if user.role != Role.OWNER or not user.is_active:
        return
    begin_write(session, "owners")
    # Somebody else may have taken an owner away between reading and waiting.
    others = select(func.count()).where(
        User.role == Role.OWNER, User.is_active.is_(True), User.user_id != user.user_id
    )
    if not session.scalar(others):
        raise AdministrationRefused(Message.of(N_("This is the last owner, and one has to remain.")))
