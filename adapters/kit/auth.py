"""Ways to prove who we are in an HTTP request."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from pydantic import SecretStr

from adapters.kit.url import Target


@dataclass(slots=True)
class Outgoing:
    """A request about to leave: whoever signs it sees exactly the parts that will be sent."""

    method: str
    target: Target
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Return the encoded path without the query."""
        return self.target.path.partition("?")[0]

    @property
    def url(self) -> str:
        """Return the complete address, percent-encoded as RFC 3986 says."""
        pairs = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in self.query)
        if not pairs:
            return self.target.url
        return f"{self.target.url}{'&' if '?' in self.target.path else '?'}{pairs}"


class Auth(Protocol):
    """Adds proof of identity to a request, after everything else is in place."""

    def sign(self, request: Outgoing) -> None:
        """Change headers or query in place."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer …`."""

    secret: SecretStr

    def sign(self, request: Outgoing) -> None:
        """Set the header."""
        request.headers["Authorization"] = f"Bearer {self.secret.get_secret_value()}"


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic …`, in UTF-8."""

    user: str
    secret: SecretStr

    def sign(self, request: Outgoing) -> None:
        """Set the header."""
        pair = f"{self.user}:{self.secret.get_secret_value()}".encode()
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A key in a header of the vendor's choice; `prefix` stands before it."""

    name: str
    secret: SecretStr
    prefix: str = field(default="")

    def sign(self, request: Outgoing) -> None:
        """Set the header."""
        request.headers[self.name] = f"{self.prefix}{self.secret.get_secret_value()}"


@dataclass(frozen=True, slots=True)
class QueryKey:
    """A key in the query string."""

    name: str
    secret: SecretStr

    def sign(self, request: Outgoing) -> None:
        """Append the parameter."""
        request.query.append((self.name, self.secret.get_secret_value()))
