"""Secrets and personal data recognised by their shape, each in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from webapp.engine.redaction.names import Kind, kind_of
from webapp.engine.redaction.spans import MASK, Span

# No pattern can begin inside the run it would match, so none is tried twice over the same characters.
_TOKENS = (
    re.compile(
        r"(?<![A-Za-z])(?:bearer|basic|digest)[ \t]{1,4}(?P<hide>[\w.~+/=-]{6,})", re.IGNORECASE | re.ASCII
    ),
    re.compile(r"(?<![\w-])(?P<hide>eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?)", re.ASCII),
    re.compile(r"(?<![A-Z0-9])(?P<hide>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])"),
    re.compile(r"(?<!\w)(?P<hide>(?:sk|rk)_(?:live|test)_\w{8,}|whsec_\w{8,}|pb_\w{16,})", re.ASCII),
    re.compile(r"(?<!\w)(?P<hide>gh[pousr]_\w{20,}|github_pat_\w{20,})", re.ASCII),
    re.compile(r"(?<![\w-])(?P<hide>xox[abeprs]-[A-Za-z0-9-]{10,})", re.ASCII),
    re.compile(r"(?<![\w.-])(?P<hide>SG\.[\w-]{16,64}\.[\w-]{16,64})", re.ASCII),
    re.compile(r"://(?P<hide>[^/\s:@]{0,256}:[^/\s@]{1,256})@"),
)
# Without one of these, in small letters, no token can be in a text; most texts are short names and words.
_TOKEN_HINTS = (
    "bearer", "basic", "digest", "eyj", "akia", "asia", "k_", "whsec_", "pb_", "gh", "xox", "sg.", "://",
)  # fmt: skip
_DIGITS = re.compile(r"\d(?:[ -]?\d){7}", re.ASCII)  # nor a number without eight digits
_JSON_MEMBER = re.compile(r'"(?P<name>[^"\\]{1,64})"\s{0,8}:\s{0,8}"(?P<hide>(?:[^"\\]|\\.)*)"', re.DOTALL)
_XML_ELEMENT = re.compile(
    r"<(?P<name>[A-Za-z_][\w:.-]{0,63})(?:\s[^<>]{0,512})?>(?:<!\[CDATA\[)?(?P<hide>[^<\]]+)"
)
# An assignment is searched from its sign outwards: most words of a text are no names, most signs stand behind none.
_SIGN = re.compile(r"[=:]")
_NAME_BACKWARDS = re.compile(r"\s{0,3}([\w.-]{2,65})")
_NAME_MAX = 64
_ASSIGNED = re.compile(r"\s{0,3}(?P<hide>[^\s&,;\"'<>]{1,4096})")
_PHONE = re.compile(r"(?<![\w+])(?:\+\d{8,15}|1[3-9]\d{9})(?!\w)", re.ASCII)
_CARD = re.compile(r"(?<!\w)[2-6](?:[ -]?\d){12,18}(?!\w)", re.ASCII)
_IDENTITY = re.compile(r"(?<!\w)\d{17}[\dXx](?!\w)", re.ASCII)
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)
_LOCAL_MAX = 64
# Where none of these is, nothing of all this can be; most texts are names and words.
_TELLING = re.compile(
    "|".join(('[=:@<"]', _DIGITS.pattern, "-----BEGIN ", *map(re.escape, _TOKEN_HINTS))),
    re.ASCII | re.IGNORECASE,
)
_SHORT = 256  # characters; in a longer text something is telling nearly always


def spans(text: str, *, members: bool = True) -> Iterable[Span]:
    """Every token, named secret, certificate key, address, number of a phone, a card or an identity.

    Without `members` the names of JSON are not looked at, because that was done before.
    """
    if len(text) <= _SHORT and not _TELLING.search(text):
        return ()
    return _spans(text, members=members)


def _spans(text: str, *, members: bool) -> Iterator[Span]:
    lower = text.lower()
    if any([hint in lower for hint in _TOKEN_HINTS]):  # noqa: C419 - a list is twice as fast here
        for pattern in _TOKENS:
            yield from (Span(*match.span("hide")) for match in pattern.finditer(text))
    yield from _pem_blocks(text)
    yield from _named(text, members=members)
    yield from _addresses(text)
    if not _DIGITS.search(text):
        return
    yield from (Span(*match.span(), mask_number(match[0])) for match in _PHONE.finditer(text))
    yield from (_last_four(match) for match in _CARD.finditer(text) if _passes_luhn(match[0]))
    yield from (_last_four(match) for match in _IDENTITY.finditer(text) if _is_identity(match[0]))


def mask_number(number: str) -> str:
    """A phone number of which the first three and last four characters are left."""
    return f"{number[:3]}****{number[-4:]}" if len(number) > 8 else MASK  # noqa: PLR2004 - less would tell it all


def _named(text: str, *, members: bool) -> Iterator[Span]:
    """Values beside a telling name, in anything that looks like JSON, XML or an assignment."""
    for pattern in _patterns_for(text, members=members):
        for match in pattern.finditer(text):
            if kind_of(match["name"]) is Kind.SECRET and not _is_no_value(match["hide"]):
                yield Span(*match.span("hide"))
    yield from _assigned(text)


def _assigned(text: str) -> Iterator[Span]:
    """Values behind `name=` and `name:`."""
    end = 0
    for sign in _SIGN.finditer(text):
        at = sign.start()
        if at < end or text[at - 1] == '"' or kind_of(_name_before(text, at)) is not Kind.SECRET:
            continue
        value = _ASSIGNED.match(text, at + 1)
        if value and not _is_no_value(value["hide"]):
            end = value.end()
            yield Span(*value.span("hide"))


def _name_before(text: str, at: int) -> str:
    """The name that ends before this place; empty when there is none."""
    found = _NAME_BACKWARDS.match(text[max(0, at - _NAME_MAX - 4) : at][::-1])
    name = found[1][::-1] if found else ""
    return name if len(name) <= _NAME_MAX and (name[:1] == "_" or name[:1].isalpha()) else ""


def _is_no_value(value: str) -> bool:
    """The scheme before a credential, which is found by its own shape, or what is hidden already."""
    return value.lower() in {"bearer", "basic", "digest", MASK}


def _patterns_for(text: str, *, members: bool) -> Iterator[re.Pattern[str]]:
    """Those that can match at all."""
    if members and '"' in text:
        yield _JSON_MEMBER
    if "<" in text:
        yield _XML_ELEMENT


def _pem_blocks(text: str) -> Iterator[Span]:
    """Private keys and certificates. Found by plain search: a lazy pattern is quadratic on repeated BEGIN lines."""
    at = text.find("-----BEGIN ")
    while at >= 0:
        end = text.find("-----END ", at)
        closing = text.find("-----", end + 9) if end >= 0 else -1
        stop = closing + 5 if closing >= 0 else len(text)
        yield Span(at, stop)
        at = text.find("-----BEGIN ", stop)


def _addresses(text: str) -> Iterator[Span]:
    """Mail addresses: the first letter and the domain stay. Searched from the @ outwards, so it stays linear."""
    at = text.find("@")
    while at >= 0:
        start = at
        while start > max(0, at - _LOCAL_MAX) and text[start - 1] in _LOCAL:
            start -= 1
        domain = _DOMAIN.match(text, at + 1)
        if start < at and domain:
            yield Span(start + 1, at)
        at = text.find("@", at + 1)


def _last_four(match: re.Match[str]) -> Span:
    return Span(*match.span(), f"{MASK}{match[0][-4:]}")


def _passes_luhn(number: str) -> bool:
    digits = [int(character) for character in number if character.isdigit()]
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])  # noqa: PLR2004 - two digits from five on
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_identity(number: str) -> bool:
    """The checksum of a Chinese identity number (GB 11643, ISO 7064 MOD 11-2)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, number, strict=False))
    return "10X98765432"[total % 11] == number[-1].upper()
