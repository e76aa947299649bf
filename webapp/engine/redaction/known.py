"""Secrets known by value, found in a text in every form in which they travel."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from webapp.engine.redaction.matcher import FAST, SLOW_MOST, Matcher
from webapp.engine.redaction.spans import Span

SHORTEST = 6
_LINE_SHORTEST = 16
_BASE64_SHORTEST = 8
# Values that are too common to be hidden wherever they appear; their fields are hidden by name.
_COMMON = frozenset(
    [
        "true",
        "false",
        "none",
        "null",
        "default",
        "admin",
        "administrator",
        "localhost",
        "password",
        "username",
        "changeme",
        "example",
        "test",
        "global",
        "public",
        "private",
        "cn-hangzhou",
        "cn-shanghai",
        "cn-beijing",
        "cn-shenzhen",
        "us-east-1",
        "us-west-2",
        "eu-west-1",
    ]
)


class KnownSecrets:
    """A set of secret values and where a text contains one of them."""

    def __init__(self, secrets: Iterable[str], users: Iterable[str] = ()) -> None:
        """`users` are the names that travel together with a secret in one encoded credential."""
        users = tuple(user for user in users if user)
        patterns = {
            pattern
            for secret in _searchable(secrets)
            for value in _parts(secret)
            for pattern in (*forms(value), *_pairs(users, value))
        }
        self._matcher = Matcher(patterns)

    def __bool__(self) -> bool:
        return bool(self._matcher)

    @property
    def longest(self) -> int:
        """How many characters the longest form has."""
        return self._matcher.longest

    def spans(self, text: str) -> list[Span]:
        """Every place of every form, overlapping ones too."""
        return self._matcher.spans(text)


def _searchable(secrets: Iterable[str]) -> Iterable[str]:
    """All of them; without the automaton only the newest, because each costs a search of its own."""
    return secrets if FAST else list(secrets)[-SLOW_MOST:]


def _parts(secret: str) -> Iterator[str]:
    """The value, its longer lines, the value without white space, and the strings in a JSON one."""
    candidates = [secret, secret.strip(), "".join(secret.split())]
    candidates += [line.strip() for line in secret.splitlines() if len(line.strip()) >= _LINE_SHORTEST]
    if secret.lstrip().startswith(("{", "[")):
        candidates += _strings_of_json(secret)
    seen: set[str] = set()
    for value in candidates:
        if (
            value not in seen
            and len(value) >= SHORTEST
            and value.lower() not in _COMMON
            and set(value) != {"*"}
        ):
            seen.add(value)
            yield value


def _strings_of_json(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and len(item) >= _LINE_SHORTEST:
            found.append(item)
    return found


def forms(value: str) -> Iterator[str]:
    """The value as it looks raw, in a URL, in JSON, in HTML, in hexadecimal and inside base64."""
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    for quoted in (quote(raw, safe=""), quote_plus(raw), quote(raw)):
        yield quoted
        yield _lower_hex(quoted)
    escaped = json.dumps(value)[1:-1]
    yield from (escaped, escaped.replace("/", "\\/"), json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (
        html.escape(value),
        html.escape(value, quote=False),
        html.escape(value).replace("&#x27;", "&#39;"),
    )
    yield from (raw.hex(), raw.hex().upper(), ascii(value)[1:-1])
    for packed in dict.fromkeys((raw, quote(raw, safe="").encode())):
        for encoded in _base64_forms(packed):
            yield encoded
            yield encoded.replace("+", "-").replace("/", "_")


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The whole value, and what of it is certain at each of the three alignments inside a longer text."""
    whole = base64.b64encode(raw).decode()
    yield from (whole, whole.rstrip("="))
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw).decode()
        lead = (0, 2, 3)[shift]
        trail = (0, 3, 2)[(shift + len(raw)) % 3]
        certain = encoded[lead : len(encoded) - trail]
        if len(certain) >= _BASE64_SHORTEST:
            yield certain


def _pairs(users: Iterable[str], value: str) -> Iterator[str]:
    """Credentials that join a name and the secret: HTTP Basic, that of OAuth (both encoded first), and SASL PLAIN."""
    encoded_value = quote(value, safe="", errors="surrogatepass")
    for user in users:
        oauth = f"{quote(user, safe='', errors='surrogatepass')}:{encoded_value}"
        for pair in dict.fromkeys((f"{user}:{value}", oauth, f"\0{user}\0{value}")):
            encoded = base64.b64encode(pair.encode("utf-8", "surrogatepass")).decode()
            yield from (encoded, encoded.rstrip("="), quote(encoded, safe=""))


def _lower_hex(quoted: str) -> str:
    parts = quoted.split("%")
    return parts[0] + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts[1:])
