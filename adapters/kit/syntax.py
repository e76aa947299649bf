"""The shape of addresses, header lines and other text that ends up on the wire."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from adapters.kit.invalid import Wrong
from adapters.kit.text import N_
from adapters.kit.url import Target

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LOCAL_PART = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ADDRESS = re.compile(rf"{_LOCAL_PART}@{_LABEL}(?:\.{_LABEL})*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_MEDIA_TYPE = re.compile(
    r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|\"[^\"\r\n]*\"))*"
)
_LONGEST_ADDRESS = 320
_MOST_ADDRESSES = 100
_ADDRESS_SCHEMA = {"type": "string", "format": "email"}


def single_line(text: str) -> str:
    """Accept text without line breaks and control characters: it may end up in a header."""
    if _CONTROL.search(text) or _LONE_SURROGATE.search(text):
        raise Wrong(N_("Line breaks and control characters are not allowed here."))
    return text


def address(text: str) -> str:
    """Accept one bare mail address such as lin@example.com."""
    bare = text.strip()
    if len(bare) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(bare):
        raise Wrong(N_("Enter one mail address, such as lin@example.com."))
    return bare


def web_address(text: str) -> str:
    """Accept an absolute http or https address without user name and fragment."""
    try:
        Target.parse(text)
    except ValueError:
        raise Wrong(N_("Enter a complete web address, such as https://api.example.com.")) from None
    return text


def header_name(text: str) -> str:
    """Accept a header's name."""
    if not _TOKEN.fullmatch(text):
        raise Wrong(N_("This is not a header name."))
    return text


def media_type(text: str) -> str:
    """Accept a media type such as text/csv; charset=utf-8."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise Wrong(N_("Enter a media type, such as application/pdf."))
    return text


def encoded_bytes(text: str) -> str:
    """Accept standard base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(N_("This is not valid base64.")) from None
    return text


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _one_or_more(least: int) -> WithJsonSchema:
    items = {"type": "array", "items": _ADDRESS_SCHEMA, "minItems": least, "maxItems": _MOST_ADDRESSES}
    return WithJsonSchema({"anyOf": [_ADDRESS_SCHEMA, items]})


SYNTAX: dict[str, Callable[[str], str]] = {"email": address, "url": web_address}

Line = Annotated[str, AfterValidator(single_line)]
Address = Annotated[str, AfterValidator(address)]
Addresses = Annotated[
    tuple[Address, ...], Field(max_length=_MOST_ADDRESSES), BeforeValidator(_as_tuple), _one_or_more(0)
]
Recipients = Annotated[
    tuple[Address, ...],
    Field(min_length=1, max_length=_MOST_ADDRESSES),
    BeforeValidator(_as_tuple),
    _one_or_more(1),
]
HeaderName = Annotated[str, AfterValidator(header_name)]
MediaType = Annotated[str, AfterValidator(media_type)]
Base64 = Annotated[str, AfterValidator(encoded_bytes)]
