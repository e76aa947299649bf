"""Which account a person of the sign-in provider has here: found again, linked by address, or made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.accounts import users
from webapp.accounts.oidc import OidcRefused
from webapp.accounts.roles import Role
from webapp.models.user import User
from webapp.oidcconfig import Provider
from webapp.runtime import Runtime
from webapp.vault import audit

ACTOR = "oidc"


def admit(session: Session, runtime: Runtime, provider: Provider, claims: Mapping[str, Any]) -> User:
    """Return the account of a verified person with the role they have now; raises OidcRefused. The caller commits."""
    identity = f"{provider.issuer}|{claims['sub']}"
    user = session.scalar(select(User).where(User.identity == identity))
    if user is None:
        user = _by_address(session, runtime, provider, claims)
        user.identity = identity
    if not user.is_active:
        raise _not_let_in("the account is disabled")
    _adjust_role(session, runtime, user, role_of(provider, claims))
    return user


def role_of(provider: Provider, claims: Mapping[str, Any]) -> str | None:
    """Return the most powerful role that the claims give, or the default; None when there is none."""
    given = claims.get(provider.role_claim)
    groups = {given} if isinstance(given, str) else {item for item in given or () if isinstance(item, str)}
    roles = [Role(role) for group, role in provider.roles if group in groups]
    return max(roles, key=tuple(Role).index) if roles else provider.default_role


def _by_address(session: Session, runtime: Runtime, provider: Provider, claims: Mapping[str, Any]) -> User:
    email = users.normalized_email(str(claims.get("email") or ""))
    if not email or claims.get("email_verified") is not True:
        raise _not_let_in("the provider does not vouch for an email address")
    if provider.domains and email.rpartition("@")[2] not in provider.domains:
        raise _not_let_in("the address lies outside the allowed domains")
    user = users.find_by_email(session, email)
    if user is not None and user.identity is not None:
        raise _not_let_in("the address belongs to another identity")
    if user is not None:
        audit.append(session, runtime, actor=ACTOR, action="user.link", target=email)
        return user
    role = role_of(provider, claims)
    if role is None:
        raise _not_let_in("no role is meant for this person")
    name = " ".join(str(claims.get("name") or "").split())[: users.MAX_NAME]
    try:
        user = users.create_user(
            session,
            runtime,
            email=email,
            name=name if name.isprintable() and name else email.partition("@")[0],
            role=role,
            password=None,
            actor=ACTOR,
        )
    except users.UserInvalid as invalid:
        raise _not_let_in(str(invalid)) from None
    return user


def _adjust_role(session: Session, runtime: Runtime, user: User, role: str | None) -> None:
    """Follow the provider where it decides on roles; the last owner stays one."""
    provider = runtime.config.oidc
    if role is None or provider is None or not provider.roles or role == user.role:
        return
    others = select(func.count()).where(
        User.role == Role.OWNER, User.is_active.is_(True), User.user_id != user.user_id
    )
    if user.role == Role.OWNER and not session.scalar(others):
        return
    detail = {"from": user.role, "to": role}
    user.role = role
    audit.append(session, runtime, actor=ACTOR, action="user.role", target=user.email, detail=detail)


def _not_let_in(reason: str) -> OidcRefused:
    message = N_("You have no access here. An owner or an administrator can give it to you.")
    return OidcRefused(Message.of(message), reason)
