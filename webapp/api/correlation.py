"""The id that ties a request to its calls and log lines: the caller's, else that of its trace, else a new one."""

from __future__ import annotations

import re
import uuid

from flask import g, request

_GIVEN = re.compile(r"[!-~]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def note() -> None:
    """Settle the id of this request; a header that cannot be one is passed over."""
    given = request.headers.get("X-Correlation-Id", "")
    trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", "").strip())
    if _GIVEN.fullmatch(given):
        g.correlation_id = given
    elif trace and trace[1].strip("0"):
        g.correlation_id = trace[1]
    else:
        g.correlation_id = uuid.uuid4().hex


def current() -> str:
    """The id of this request."""
    if "correlation_id" not in g:
        note()
    return str(g.correlation_id)
