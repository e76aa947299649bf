"""How headers and bodies lie in the database: one packed text for each attempt, apart from the rows that lists read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from webapp.log.entries import Bodies

_MEMBERS = ("request_headers", "request_payload", "response_headers", "response_payload")
_LEVEL = 3  # more costs half as much again and saves four bytes of two hundred
# What headers and bodies are made of, so that even a short one shrinks; the most frequent comes last. A change is a
# new entry under a new name: what lies in the database names the one it was packed with.
_USUAL = (
    '{"code": "OK", "Message": "OK", "RequestId": "", "BizId": "^0"}{"sid": "SM", "status": "queued", "error_code": '
    'null, "error_message": null, "num_segments": "1", "price": null, "direction": "outbound-api"}{\\"errors\\": '
    '[{\\"message\\": \\"\\", \\"field\\": null, \\"help\\": null}]}{\\"error\\": {\\"code\\": \\"\\", \\"message\\": '
    '\\"\\", \\"type\\": \\"invalid_request_error\\"}}{\\"success\\": true, \\"data\\": {\\"id\\": \\"\\"}}{\\"amount\\": '
    '{\\"total\\": 100, \\"currency\\": \\"CNY\\"}, \\"out_trade_no\\": \\"\\", \\"description\\": \\"\\"}{\\"phone\\": '
    '\\"***\\", \\"sign_name\\": \\"\\", \\"template\\": \\"\\", \\"template_params\\": {\\"code\\": \\"***\\"}}'
    '{\\"personalizations\\": [{\\"to\\": [{\\"email\\": \\"***@example.com\\"}]}], \\"from\\": {\\"email\\": \\"'
    '***@example.com\\", \\"name\\": \\"\\"}, \\"subject\\": \\"\\", \\"content\\": [{\\"type\\": \\"text/plain\\", '
    '\\"value\\": \\"***\\"}, {\\"type\\": \\"text/html\\", \\"value\\": \\"\\"}]}", "application/x-www-form-urlencoded'
    '", "text/html; charset=utf-8", "Cache-Control": "no-cache, no-store", "Strict-Transport-Security": "max-age='
    '31536000; includeSubDomains", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*", "Vary": '
    '"Accept-Encoding", "Retry-After": "", "X-RateLimit-Limit": "", "X-RateLimit-Remaining": "", "X-RateLimit-Reset": '
    '"", "X-Request-Id": "", "X-Message-Id": "", "ETag": "", "Transfer-Encoding": "chunked", "Connection": "keep-alive'
    '", "Date": "Mon, 01 Jan 2026 00:00:00 GMT", "Server": "nginx", "Content-Length": "0"}, "[{"Host": "", '
    '"Accept-Encoding": "identity", "User-Agent": "patchbay/1.0", "Idempotency-Key": "", "Authorization": "***", '
    '"Accept": "application/json", "Content-Type": "application/json; charset=utf-8", "Content-Length": "'
)
_DICTIONARY = _USUAL.encode()
_PACKED, _UNREADABLE = "zlib-1", Bodies(unreadable=True)


def pack(log_id: int, bodies: Bodies) -> dict[str, Any]:
    """The row of `call_bodies`."""
    packer = zlib.compressobj(_LEVEL, zdict=_DICTIONARY)
    packed = packer.compress(_text([getattr(bodies, name) for name in _MEMBERS])) + packer.flush()
    return {"log_id": log_id, "packed": packed, "compressed": _PACKED}


def _text(members: list[Any]) -> bytes:
    """JSON; halves of characters, as broken answers carry them, become question marks."""
    try:
        return orjson.dumps(members, str)
    except TypeError:
        text = json.dumps(members, ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode(errors="replace")


def unpack(row: Mapping[Any, Any]) -> Bodies:
    """What was packed; when that cannot be read any more, nothing but the word that it cannot."""
    try:
        values = json.loads(_UNPACKERS[row["compressed"]](bytes(row["packed"])))
        return Bodies(**dict(zip(_MEMBERS, values, strict=True)))
    except (KeyError, ValueError, TypeError, zlib.error):
        return _UNREADABLE


def _usual(packed: bytes) -> bytes:
    return zlib.decompressobj(zdict=_DICTIONARY).decompress(packed)


_UNPACKERS: Mapping[str, Callable[[bytes], bytes]] = {_PACKED: _usual}
