"""What every blueprint of the API does around its views: correlation, content negotiation, problems."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import default_exceptions

from adapters.kit import Message, N_
from webapp.api import correlation
from webapp.api.problems import MEDIA_TYPE, Problem, respond

_ANSWERS = ("application/json", MEDIA_TYPE)
_PAGES = {
    "api_reference.docs": ("text/html",),
    "api_logs.export": ("text/csv", "application/x-ndjson", MEDIA_TYPE),
    "api_configuration.export": ("application/yaml", MEDIA_TYPE),
}


def area(name: str) -> Blueprint:
    """A blueprint of the API. Every error becomes a problem, even one a page would have handled."""
    blueprint = Blueprint(f"api_{name}", "webapp.api")
    blueprint.before_request(correlation.note)
    blueprint.before_request(_negotiate)
    blueprint.after_request(_mark)
    for status in default_exceptions:
        blueprint.register_error_handler(status, respond)
    blueprint.register_error_handler(Exception, respond)
    return blueprint


def _negotiate() -> None:
    offered = _PAGES.get(request.endpoint or "", _ANSWERS)
    if "Accept" in request.headers and not request.accept_mimetypes.best_match(offered):
        raise Problem("NOT_ACCEPTABLE", Message.of(N_("Answers are %(kind)s."), kind=offered[0]))


def _mark(response: Response) -> Response:
    response.headers.setdefault("X-Correlation-Id", correlation.current())
    response.headers.setdefault("Cache-Control", "no-store")
    return response
