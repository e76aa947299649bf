"""One helper decides whether an answer is the whole page or one block of it."""

from __future__ import annotations

from flask import Response, current_app, make_response, render_template
from jinja2_fragments.flask import render_block

from webapp.web.hx import htmx


def page(template: str, block: str | None = None, status: int = 200, **context: object) -> Response:
    """Render `template`, or only its `block` when htmx will swap a part of the page.

    The same URL answers both, so caches are told which request headers matter.
    """
    if block and htmx.wants_fragment:
        body = render_block(template, block, **context)
    else:
        body = render_template(template, **context)
    response = make_response(body, status)
    response.vary.update(["HX-Request", "HX-Request-Type"])
    return response


def fragment(template: str, block: str, **context: object) -> str:
    """Render one block, for streams and for answers made of several blocks."""
    with current_app.app_context():
        return str(render_block(template, block, **context))
