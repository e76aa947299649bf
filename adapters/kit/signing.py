"""Request signatures of vendors that do not use plain bearer or basic credentials."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

ACS3 = "ACS3-HMAC-SHA256"


def percent_encode(text: str) -> str:
    """Encode as RFC 3986 wants it: space as %20, only letters, digits and ``-_.~`` left alone."""
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Return the parameters sorted by name and encoded, as signed and as sent."""
    return "&".join(f"{percent_encode(k)}={percent_encode(v)}" for k, v in sorted(parameters.items()))


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def acs3_authorization(
    *, method: str, path: str, query: str, headers: Mapping[str, str], key_id: str, secret: str
) -> str:
    """Return Aliyun's Authorization value; signs every header given.

    ``query`` is the canonical query that is sent; ``headers`` must hold ``host`` (the one really asked) and
    ``x-acs-content-sha256`` of the very bytes sent.
    """
    signed = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(signed)
    canonical = "\n".join(
        [
            method,
            path,
            query,
            *(f"{name}:{signed[name]}" for name in names),
            "",
            ";".join(names),
            signed["x-acs-content-sha256"],
        ]
    )
    to_sign = f"{ACS3}\n{sha256_hex(canonical.encode())}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ACS3} Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}"
