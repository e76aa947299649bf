"""The pages for what went wrong: plain words, what to do next, and a number to find it by."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_babel import gettext
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response as BaseResponse

from adapters.kit import Message, N_
from webapp.accounts.roles import ROLE_LABELS, Role, Verb, lowest_role
from webapp.web.access import own_path, person
from webapp.web.hx import htmx
from webapp.web.page import page
from webapp.web.security import SAFE_METHODS, ForeignRequest

SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Words:
    """What an error page says."""

    title: str
    text: str | Message


WORDS = {
    400: Words(
        N_("This request cannot be understood"),
        N_("Something in it is missing or malformed. Go back, check what you entered and send it again."),
    ),
    403: Words(
        N_("This is not open to you"), N_("Ask an owner or an administrator of this Patchbay for access.")
    ),
    404: Words(
        N_("There is nothing here"),
        N_("The address may be mistyped, or what it showed was deleted meanwhile."),
    ),
    405: Words(
        N_("This address does not work that way"),
        N_("It expects a form to be sent, or only to be read. Start again from the page before."),
    ),
    409: Words(
        N_("Somebody else was faster"),
        N_(
            "What you were changing has changed meanwhile. Nothing was saved; open it again and repeat your change."
        ),
    ),
    410: Words(N_("This is gone"), N_("What stood here has been removed for good.")),
    413: Words(
        N_("This is too large"), N_("What you sent is larger than this page accepts. Nothing was saved.")
    ),
    422: Words(
        N_("This cannot be taken as it is"),
        N_(
            "It holds something this page does not ask for. Nothing was saved; reload the page and try again."
        ),
    ),
    429: Words(
        N_("One moment, please"), N_("This was tried too often in a short time. Wait a little and try again.")
    ),
    500: Words(
        N_("Something went wrong on our side"),
        N_("It has been written down with the number below. Try again, and pass the number on if it stays."),
    ),
    503: Words(
        N_("Patchbay cannot work right now"),
        N_("It cannot reach its database or its keys. Nothing was lost; try again in a moment."),
    ),
}
OUTDATED_FORM = Words(
    N_("This form is out of date"),
    N_(
        "You signed in or out since it was opened, or it stood open for very long. Reload the page and send it again."
    ),
)


def register(app: Flask) -> None:
    """Show our own pages for every error; one handler, so that a blueprint's own handlers come first."""
    app.register_error_handler(HTTPException, show)
    app.register_error_handler(OperationalError, show_unavailable)


def show(error: HTTPException) -> BaseResponse:
    """Answer an error with its page, with a notice when htmx asked, or with the way to sign in."""
    if error.code == 401:  # noqa: PLR2004 - Unauthorized
        return _to_sign_in()
    status = error.code or SERVER_ERROR
    trace = _trace(status)
    _note_refusal(error, status)
    words = _words(error, status)
    response = page("errors/error.html", "message", status, words=words, trace=trace, code=status)
    response.headers.extend(_headers_of(error))
    if htmx.wants_fragment:
        response.headers["HX-Retarget"] = "#banner"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def show_unavailable(error: OperationalError) -> BaseResponse:
    """Answer for a database that cannot be reached."""
    current_app.logger.error("The database cannot be used: %s", error.orig)
    return show(ServiceUnavailable())


def _to_sign_in() -> BaseResponse:
    """Lead to the sign-in page and back; htmx would put that page into the middle of this one, so it is told."""
    if htmx:
        return Response(status=401, headers={"HX-Redirect": url_for("auth.login", next=own_path())})
    here = request.full_path.rstrip("?") if request.method in SAFE_METHODS else None
    return redirect(url_for("auth.login", next=here if here != "/" else None), 303)


def _words(error: HTTPException, status: int) -> Words:
    if isinstance(error, CSRFError):
        return OUTDATED_FORM
    if isinstance(error, ForeignRequest):
        return Words(WORDS[403].title, ForeignRequest.description)
    if status == 403 and "refused_verb" in g:  # noqa: PLR2004 - Forbidden
        return Words(N_("Your role does not open this"), _role_needed(g.refused_verb))
    return WORDS.get(status) or WORDS[400 if status < SERVER_ERROR else SERVER_ERROR]


def _role_needed(verb: Verb) -> Message:
    own, needed = Role(person().role), lowest_role(verb)
    return Message.of(
        N_(
            "You are signed in with the role “%(own)s”; this needs “%(needed)s”. An owner or an administrator can grant it."
        ),
        own=gettext(ROLE_LABELS[own]),
        needed=gettext(ROLE_LABELS[needed]),
    )


def _trace(status: int) -> str | None:
    """Number a failure of ours, in the page and in the log."""
    if status < SERVER_ERROR:
        return None
    trace = secrets.token_hex(6)
    current_app.logger.error("Trace %s: %s %s answered %s", trace, request.method, request.path, status)
    return trace


def _note_refusal(error: HTTPException, status: int) -> None:
    """Write down what was forbidden or forged, for whoever looks for attempts."""
    if status == 403 or isinstance(error, CSRFError):  # noqa: PLR2004 - Forbidden
        who = person().email if current_user.is_authenticated else "a visitor"
        kind = type(error).__name__
        current_app.logger.warning("Refused %s %s of %s (%s).", request.method, request.path, who, kind)


def _headers_of(error: HTTPException) -> list[tuple[str, str]]:
    """Keep what the error itself says to clients: the methods allowed, when to come back."""
    return [(name, value) for name, value in error.get_headers() if name.lower() in {"allow", "retry-after"}]
