"""Every refusal of the API as Problem Details (RFC 9457): one table of codes, one place that maps errors to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from flask import Flask, Response, current_app, json, request
from flask_babel import gettext
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from adapters.kit import Message
from webapp.accounts.tokens import TokenRefused
from webapp.api import correlation
from webapp.engine.code_help import every_code
from webapp.engine.codes import CODES, Code
from webapp.engine.problems import PatchbayError
from webapp.extensions import db
from webapp.log.filters import FilterInvalid
from webapp.registry.errors import RegistryError, TooManyTests

MEDIA_TYPE = "application/problem+json"

_BY_STATUS = {
    400: "MALFORMED_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    412: "STALE_REVISION",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}


class Finding(Protocol):
    """One wrong member, whoever found it."""

    @property
    def pointer(self) -> str: ...  # noqa: D102
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> Message: ...  # noqa: D102


class Problem(Exception):
    """A refusal by the API itself."""

    def __init__(self, code: str, detail: Message, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def say(message: Message) -> str:
    """A sentence in the language of the request."""
    text = str(gettext(message.msgid))
    values = {name: say(one) if isinstance(one, Message) else one for name, one in message.values.items()}
    return text % values if values else text


def respond(error: Exception) -> Response:
    """Answer an error; whatever the request had begun to store is rolled back first."""
    db.session.rollback()
    members, headers = _members(error)
    members.setdefault("correlation_id", correlation.current())
    members["instance"] = members.get("instance") or request.path
    body = json.dumps({name: value for name, value in members.items() if value is not None})
    response = Response(body, status=int(str(members["status"])), mimetype=MEDIA_TYPE, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Correlation-Id"] = str(members["correlation_id"])
    return response


def codes() -> dict[str, Code]:
    """Every code an answer can carry."""
    return every_code()


def _members(error: Exception) -> tuple[dict[str, Any], dict[str, str]]:  # noqa: PLR0911 - one line per family
    match error:
        case PatchbayError():
            return error.to_problem(gettext), _retry_header(error.retry_after_ms)
        case TooManyTests():
            wait = error.retry_after_s * 1000
            return _problem(
                error.code, say(error.message), retryable=True, retry_after_ms=wait
            ), _retry_header(wait)
        case RegistryError():
            return _problem(error.code, say(error.message), errors=findings(error.errors)), {}
        case FilterInvalid():
            detail = gettext("The search cannot be understood.")
            return _problem("REQUEST_INVALID", detail, errors=findings(error.errors)), {}
        case TokenRefused():
            challenge = (
                {"WWW-Authenticate": 'Bearer realm="patchbay"'} if error.code == "UNAUTHENTICATED" else {}
            )
            return _problem(error.code, say(error.message)), challenge
        case Problem():
            return _problem(error.code, say(error.detail)), error.headers
        case HTTPException():
            return _of_http(error)
        case OperationalError():
            current_app.logger.error("The database cannot be used: %s", error.orig)
            return _problem(
                "STATE_STORE_UNAVAILABLE", gettext("The database cannot be used now."), retryable=True
            ), {}
        case _:
            current_app.logger.error("The API failed.", exc_info=error)
            return _problem("INTERNAL_ERROR", gettext("Patchbay made a mistake; it has been logged.")), {}


def _problem(code: str, detail: str, **extensions: Any) -> dict[str, Any]:
    meaning = codes().get(code) or CODES["INTERNAL_ERROR"]
    return {
        "type": f"urn:patchbay:problem:{code.lower().replace('_', '-')}",
        "title": gettext(meaning.title),
        "status": meaning.status,
        "detail": detail,
        "code": code,
        "remedy": gettext(meaning.remedy),
        **{name: value for name, value in extensions.items() if value},
    }


def findings(found: Iterable[Finding]) -> list[dict[str, str]]:
    """The `errors` of a problem."""
    return [{"pointer": one.pointer, "code": one.code, "message": say(one.message)} for one in found]


def _retry_header(milliseconds: int | None) -> dict[str, str]:
    return {"Retry-After": str(-(-milliseconds // 1000))} if milliseconds else {}


def _of_http(error: HTTPException) -> tuple[dict[str, Any], dict[str, str]]:
    """What Flask or Werkzeug refused: an unknown address, another method, a body too large."""
    status = error.code or 500
    code = _BY_STATUS.get(
        status, "INTERNAL_ERROR" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "MALFORMED_REQUEST"
    )
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    if isinstance(error, RequestEntityTooLarge):
        headers["Connection"] = "close"
    return _problem(code, gettext(codes()[code].title)), headers


def register(app: Flask, prefix: str) -> None:
    """Answer for addresses and methods the API does not have, before any page is asked to."""

    @app.before_request
    def refuse_unrouted() -> Response | None:
        below = request.path == prefix or request.path.startswith(f"{prefix}/")
        return respond(request.routing_exception) if below and request.routing_exception else None
