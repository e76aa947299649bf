"""Outlines of bodies that are not stored word for word: mails, multipart forms, binary data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

_BOUNDARY = re.compile(r'boundary="?([^";]{1,70})', re.IGNORECASE)
_NAME = re.compile(rb'name="([^"]{0,200})"')
_TEXT_MAX = 16 * 1024
_PARTS_MAX = 100


def describe_binary(body: bytes) -> str:
    """Size and hash: enough to compare two bodies."""
    return f"<{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()[:16]}>"


def describe_multipart(body: bytes, content_type: str) -> str:
    """Name and size of each part."""
    found = _BOUNDARY.search(content_type)
    if not found:
        return describe_binary(body)
    parts = body.split(b"--" + found[1].encode("ascii", "replace"))[1:-1]
    return "\n".join(_outline(part) for part in parts[:_PARTS_MAX]) or describe_binary(body)


def _outline(part: bytes) -> str:
    head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
    names = [name.decode("utf-8", "replace") for name in _NAME.findall(head[:2000])]
    return f"part {' '.join(names) or '(unnamed)'}: {len(content)} bytes"


def describe_mail(body: bytes) -> str:
    """The headers of a mail, its texts decoded, its attachments by name and size."""
    message = message_from_bytes(body, policy=policy.default)
    headers = [f"{name}: {value}" for name, value in message.items()]
    return "\n".join([*headers, "", *_mail_parts(message)])


def _mail_parts(message: EmailMessage) -> Iterator[str]:
    parts = (part for part in message.walk() if not part.is_multipart())
    for _, part in zip(range(_PARTS_MAX), parts, strict=False):
        content = cast("bytes", part.get_payload(decode=True)) or b""
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            charset = part.get_content_charset("utf-8")
            yield content[:_TEXT_MAX].decode(charset if _is_charset(charset) else "utf-8", "replace")
        else:
            yield f"<{part.get_content_type()} {part.get_filename() or ''} {len(content)} bytes>"


def _is_charset(name: str) -> bool:
    try:
        b"".decode(name)
    except LookupError:
        return False
    return True
