"""When a value says itself how long it lives: the `exp` of a JWT, the last day of an X.509 certificate."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime

from cryptography import x509

_JWT = re.compile(r"[A-Za-z0-9_-]{4,}\.([A-Za-z0-9_-]{4,})\.[A-Za-z0-9_-]*")
_BEGIN = "-----BEGIN CERTIFICATE-----"
_LAST_SECOND = 253_402_300_799  # of the year 9999


def discovered(value: str) -> datetime | None:
    """The moment from which a value is of no use any more; None when it does not say."""
    text = value.strip()
    if _BEGIN in text:
        return _of_certificates(text)
    token = _JWT.fullmatch(text.removeprefix("Bearer ").strip())
    return _of_token(token[1]) if token else None


def _of_certificates(text: str) -> datetime | None:
    """The first of a chain to end ends the chain."""
    try:
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return None


def _of_token(payload: str) -> datetime | None:
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ends = claims.get("exp") if isinstance(claims, dict) else None
    except (ValueError, RecursionError, binascii.Error):
        return None
    if isinstance(ends, bool) or not isinstance(ends, int | float) or not 0 < ends <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(ends, UTC)
