"""What every answer says to browsers, and which requests of theirs are refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden

from adapters.kit import N_
from webapp.extensions import runtime
from webapp.web.hx import csp_nonce

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
YEAR_S = 365 * 24 * 3600
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
}
# Scripts need the nonce of their answer, and only htmx may turn text into markup.
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx"
)


class ForeignRequest(Forbidden):
    """A page of another site made the browser send this."""

    description = N_("Patchbay takes changes only from its own pages, and this one came from another site.")


def register(app: Flask) -> None:
    """Guard the application; the token of forms is Flask-WTF's and lives as long as its session."""
    app.config.update(WTF_CSRF_TIME_LIMIT=None, WTF_CSRF_SSL_STRICT=False)
    app.before_request(refuse_foreign_sites)
    app.after_request(add_headers)


def refuse_foreign_sites() -> None:
    """Refuse changes that another site's page makes a browser send; programs with a token are not browsers."""
    if request.method in SAFE_METHODS or "Authorization" in request.headers:
        return
    if request.headers.get("Sec-Fetch-Site") == "cross-site" or not _is_own(request.headers.get("Origin")):
        raise ForeignRequest


def add_headers(response: Response) -> Response:
    """Add the headers of every answer, fragments and errors included; a view's own choice wins."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", POLICY.format(nonce=csp_nonce()))
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure or _base_url().startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_S}; includeSubDomains")
    return response


def safe_next(target: str | None) -> str | None:
    """Return where to go on after a form if that is one of our own pages, else None.

    Browsers read two slashes, of either kind, as another site, and drop line breaks before they look.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or not target.isprintable():
        return None
    return target


def _is_own(origin: str | None) -> bool:
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() in {request.host.lower(), urlsplit(_base_url()).netloc.lower()} - {
        ""
    }


def _base_url() -> str:
    return runtime().config.base_url or ""
