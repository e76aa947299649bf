"""API tokens: `pb_`, an id, 32 random bytes and a checksum; only a hash of them is kept.

The prefix and the checksum let a scanner of repositories recognise a leaked token without asking us.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from webapp.models.token import ApiToken
from webapp.runtime import Runtime
from webapp.vault import audit

SCOPES = (
    "services:read",
    "services:write",
    "services:test",
    "logs:read",
    "logs:read_payload",
    "calls:write",
    "calls:read",
    "health:read",
    "links:read",
    "links:write",
    "links:use",
)
ALL_SCOPES = "all"
DEFAULT_DAYS = 90
MAX_DAYS = 365
MAX_NAME = 120
MAX_NETWORKS = 20
TOKEN_PATTERN = re.compile(r"pb_([a-z2-7]{8})_([A-Za-z0-9_-]{43})([0-9a-f]{8})")

_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """The program behind a request."""

    token_id: str
    name: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """Name the program as history and audit do."""
        return f"token:{self.name}"

    def may(self, scope: str) -> bool:
        """Tell whether the token carries a scope."""
        return scope in self.scopes


class TokenRefused(Exception):
    """A token does not open this; code is "UNAUTHENTICATED" (401) or "FORBIDDEN" (403)."""

    def __init__(self, code: str, message: Message) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message


class TokenInvalid(Exception):
    """A token cannot be issued as asked; field is "name", "scopes", "expires_days" or "networks"."""

    def __init__(self, field: str, message: Message) -> None:
        super().__init__(str(message))
        self.field = field
        self.message = message


def issue(
    session: Session,
    runtime: Runtime,
    *,
    name: str,
    scopes: Iterable[str],
    created_by: str,
    expires_days: int = DEFAULT_DAYS,
    networks: Iterable[str] = (),
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which exists nowhere else from then on."""
    name = name.strip()
    granted = _checked_scopes(scopes)
    _check_name_and_days(name, expires_days)
    allowed = checked_networks(networks)
    now = runtime.clock.now()
    token_id = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    text = _with_checksum(f"pb_{token_id}_{secrets.token_urlsafe(32)}")
    token = ApiToken(
        token_id=token_id,
        name=name,
        hash=_digest(text),
        scopes=granted,
        networks=allowed or None,
        created_by=created_by,
        created_at=now,
        expires_at=now + timedelta(days=expires_days),
    )
    session.add(token)
    detail = {"name": name, "scopes": granted, "expires_days": expires_days, "networks": allowed}
    audit.append(session, runtime, actor=created_by, action="token.issue", target=token_id, detail=detail)
    return token, text


def verify(runtime: Runtime, authorization: str | None, scope: str, address: str | None = None) -> Caller:
    """Return the caller behind an Authorization header that may do this, or raise TokenRefused.

    The session is its own: noting the time of use must neither wait for nor spoil the caller's transaction.
    """
    with runtime.sessions() as session:
        token = _find(session, authorization)
        now = runtime.clock.now()
        if token is None or token.revoked_at is not None:
            message = N_("Send a valid API token, as in “Authorization: Bearer pb_…”.")
            raise TokenRefused("UNAUTHENTICATED", Message.of(message))
        if token.expires_at is not None and token.expires_at <= now:
            raise TokenRefused("UNAUTHENTICATED", Message.of(N_("This API token has expired.")))
        if token.networks and not is_within(address, token.networks):
            message = N_("This API token may not be used from here.")
            raise TokenRefused("FORBIDDEN", Message.of(message))
        caller = Caller(token.token_id, token.name, frozenset(token.scopes))
        if not caller.may(scope):
            message = N_("This API token lacks the scope %(scope)s.")
            raise TokenRefused("FORBIDDEN", Message.of(message, scope=scope))
        if token.last_used_at is None or now - token.last_used_at >= _SEEN_EVERY:
            token.last_used_at, token.last_used_ip = now, address
            session.commit()
        return caller


def revoke(session: Session, runtime: Runtime, token: ApiToken, *, actor: str) -> None:
    """End a token at once and for good."""
    if token.revoked_at is None:
        token.revoked_at = runtime.clock.now()
        audit.append(session, runtime, actor=actor, action="token.revoke", target=token.token_id, detail={})


def checked_networks(networks: Iterable[str]) -> list[str]:
    """Return networks in one spelling; raises TokenInvalid for what is none."""
    found = []
    for text in networks:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            message = N_("%(text)s is not a network such as 203.0.113.0/24.")
            raise TokenInvalid("networks", Message.of(message, text=text.strip()[:80])) from None
    if len(found) > MAX_NETWORKS:
        raise TokenInvalid(
            "networks", Message.of(N_("At most %(count)s networks can be named."), count=MAX_NETWORKS)
        )
    return found


def is_within(address: str | None, networks: Iterable[str]) -> bool:
    """Tell whether an address lies in one of the networks; an unknown address lies in none."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if ALL_SCOPES in wanted:
        wanted = (wanted - {ALL_SCOPES}) | set(SCOPES)
    if unknown := sorted(wanted - set(SCOPES)):
        raise TokenInvalid("scopes", Message.of(N_("There is no scope %(scope)s."), scope=unknown[0]))
    if not wanted:
        raise TokenInvalid("scopes", Message.of(N_("Choose at least one scope.")))
    return [scope for scope in SCOPES if scope in wanted]


def _check_name_and_days(name: str, expires_days: int) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise TokenInvalid(
            "name", Message.of(N_("Give the token a name of 1 to %(count)s characters."), count=MAX_NAME)
        )
    if not 1 <= expires_days <= MAX_DAYS:
        raise TokenInvalid(
            "expires_days", Message.of(N_("A token lives 1 to %(count)s days."), count=MAX_DAYS)
        )


def _find(session: Session, authorization: str | None) -> ApiToken | None:
    scheme, _, text = (authorization or "").partition(" ")
    shape = TOKEN_PATTERN.fullmatch(text.strip())
    if scheme.lower() != "bearer" or shape is None or _with_checksum(text.strip()[:-8]) != text.strip():
        return None
    token = session.scalar(select(ApiToken).where(ApiToken.token_id == shape[1]))
    return token if token and hmac.compare_digest(token.hash, _digest(text.strip())) else None


def _with_checksum(text: str) -> str:
    return f"{text}{zlib.crc32(text.encode()):08x}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
