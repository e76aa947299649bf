"""What each role may do: one table, read by every page and by the tests."""

from __future__ import annotations

from enum import StrEnum

from adapters.kit import N_


class Role(StrEnum):
    """What a person is here; a member only has accounts of their own."""

    MEMBER = "member"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    OWNER = "owner"


class Verb(StrEnum):
    """One thing a page lets a person do."""

    SERVICE_READ = "service.read"
    SERVICE_WRITE = "service.write"
    SERVICE_TEST = "service.test"
    SERVICE_SWITCH = "service.switch"
    SECRET_WRITE = "secret.write"  # noqa: S105 - the name of a permission
    LOG_READ = "log.read"
    LOG_READ_PAYLOAD = "log.read_payload"
    LOG_EXPORT = "log.export"
    CALL_WRITE = "call.write"
    ROUTE_WRITE = "route.write"
    USER_MANAGE = "user.manage"
    TOKEN_MANAGE = "token.manage"  # noqa: S105 - the name of a permission
    SYSTEM_READ = "system.read"
    AUDIT_READ = "audit.read"
    KEY_MANAGE = "key.manage"


ROLE_LABELS: dict[Role, str] = {
    Role.MEMBER: N_("Member"),
    Role.VIEWER: N_("Viewer"),
    Role.OPERATOR: N_("Operator"),
    Role.ADMIN: N_("Administrator"),
    Role.OWNER: N_("Owner"),
}

_VIEWER = frozenset({Verb.SERVICE_READ, Verb.LOG_READ})
_OPERATOR = _VIEWER | {
    Verb.SERVICE_TEST,
    Verb.SERVICE_SWITCH,
    Verb.LOG_READ_PAYLOAD,
    Verb.LOG_EXPORT,
    Verb.CALL_WRITE,
    Verb.SYSTEM_READ,
}
_ADMIN = _OPERATOR | {
    Verb.SERVICE_WRITE,
    Verb.SECRET_WRITE,
    Verb.ROUTE_WRITE,
    Verb.USER_MANAGE,
    Verb.TOKEN_MANAGE,
    Verb.AUDIT_READ,
    Verb.KEY_MANAGE,
}

# A role whose account must have a second factor, unless the operator switched that off.
PRIVILEGED = frozenset({Role.ADMIN, Role.OWNER})

GRANTS: dict[Role, frozenset[Verb]] = {
    Role.MEMBER: frozenset(),
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _ADMIN,
    Role.OWNER: frozenset(Verb),
}


def allowed(role: str, verb: Verb) -> bool:
    """Tell whether a role may do this; a word that is no role may do nothing."""
    return role in GRANTS and verb in GRANTS[Role(role)]


def lowest_role(verb: Verb) -> Role:
    """Name the least powerful role that may do this, for the page that refuses it."""
    return next(role for role in Role if verb in GRANTS[role])


def grantable(role: str) -> tuple[Role, ...]:
    """List the roles a person may give to others: never more than their own."""
    if not allowed(role, Verb.USER_MANAGE):
        return ()
    return tuple(Role)[: tuple(Role).index(Role(role)) + 1]
