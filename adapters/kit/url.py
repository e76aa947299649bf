"""Where a web address points: taken apart once, strictly, before anything is connected."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

import idna

LONGEST_URL = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PORTS = range(1, 65_536)
_LOOKALIKES = frozenset(("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"))

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """An absolute http(s) address; `host` is lower-case ASCII without brackets, `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Take a URL apart; raises ValueError for whatever is not plain and unambiguous."""
        return _parsed(url)

    @classmethod
    def of(cls, url: str) -> Target:
        """Take a URL apart that was not seen before, as `parse`."""
        if len(url) > LONGEST_URL or _FORBIDDEN.search(url):
            raise ValueError("the address is too long or holds a forbidden character")
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("the address must begin with https:// or http:// and name a host")
        if "@" in parts.netloc or parts.fragment:
            raise ValueError("the address must not hold a user name or a fragment")
        port = parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
        if port not in _PORTS:
            raise ValueError("the port is out of range")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
        return cls(parts.scheme, canonical_host(parts.hostname), port, path + query)

    @property
    def tls(self) -> bool:
        """Say whether the connection is encrypted from its first byte."""
        return self.scheme == "https"

    @property
    def netloc(self) -> str:
        """Return host and, unless it is the default, port as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return what two addresses of one server share."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """Return the address in the one form we send."""
        return f"{self.scheme}://{self.netloc}{self.path}"


@lru_cache(1024)
def _parsed(url: str) -> Target:
    """Most calls go to the same few addresses."""
    return Target.of(url)


def canonical_host(host: str) -> str:
    """Return a host name or IP address as lower-case ASCII; raises ValueError for ambiguous numbers.

    `0x7f.1`, `2130706433` and `①②⑦.1` all mean 127.0.0.1 to some resolver and something else to another.
    """
    if literal := ip_literal(host):
        return str(literal)
    name = unicodedata.normalize("NFKC", host).lower().rstrip(".")
    if not name.isascii():
        if any(len(_alphabets(label)) > 1 for label in name.split(".")):
            raise ValueError("the host name mixes alphabets whose letters look alike")
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as problem:
            raise ValueError("the host name cannot be encoded") from problem
    if len(name) > 253 or not _HOST.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):  # noqa: PLR2004
        raise ValueError("the host name is not valid")
    return name


def _alphabets(label: str) -> set[str]:
    """Which alphabets with letters like ours a label uses: `pаypal` with a Cyrillic а is not what it seems."""
    words = (unicodedata.name(letter, "").partition(" ")[0] for letter in label)
    return {word for word in words if word in _LOOKALIKES}


@lru_cache(1024)
def ip_literal(host: str) -> IPAddress | None:
    """Return the address that a host spells in its one canonical form, else None."""
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
