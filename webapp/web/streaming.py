"""Server-sent events: parts of a page that replace each other while work goes on."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context


def events(fragments: Iterator[str]) -> Response:
    """Each fragment replaces the one before it, in the page of the one who waits."""
    lines = ("".join(f"data: {line}\n" for line in html.splitlines()) + "\n" for html in fragments)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(stream_with_context(lines), mimetype="text/event-stream", headers=headers)
