"""Revisions over HTTP: ETag, If-Match and If-None-Match."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from webapp.registry.errors import Stale


def tagged(members: dict[str, Any], revision: int, status: int = 200) -> Response:
    """A JSON answer that carries its revision; 304 when the client has it already."""
    response = jsonify(members)
    response.status_code = status
    response.set_etag(str(revision))
    if request.method in {"GET", "HEAD"}:
        response.headers["Cache-Control"] = "no-cache, private"
        response.make_conditional(request)
    return response


def expected_revision(current: int) -> int | None:
    """The revision the client has seen, or None when it does not say. Raises Stale when that is another one."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    if not request.if_match.contains(str(current)):
        raise Stale(current)
    return current
