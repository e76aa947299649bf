"""Who may open a page: every view declares it, and a test walks the map for any that forgot."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar, cast

from flask import Flask, Response, abort, g, redirect, request, url_for
from flask_login import current_user

from webapp.accounts import sessions
from webapp.accounts.roles import Verb, allowed
from webapp.models.user import User
from webapp.web.hx import htmx
from webapp.web.security import safe_next

P = ParamSpec("P")
R = TypeVar("R")
View = Callable[P, R]

PUBLIC = "public"
SIGNED_IN = "signed in"
_MARK = "declared_access"
_OPEN_BEFORE = "open_before_enrolment"


def public(view: View[P, R]) -> View[P, R]:
    """Open a view to everybody."""
    setattr(view, _MARK, PUBLIC)
    return view


def signed_in(view: View[P, R]) -> View[P, R]:
    """Open a view to whoever is signed in, whatever their role."""
    return _guarded(view, SIGNED_IN, None)


def requires(verb: Verb) -> Callable[[View[P, R]], View[P, R]]:
    """Open a view to the roles that may do this: 401 for strangers, 403 for the others."""
    return lambda view: _guarded(view, verb, verb)


def before_enrolment(view: View[P, R]) -> View[P, R]:
    """Open a view also to who must set up a second factor first; stands below the other decorator."""
    setattr(view, _OPEN_BEFORE, True)
    return view


def turn_to(url: str) -> NoReturn:
    """Leave the view and lead elsewhere; htmx is told, so that it does not put that page into the middle of this."""
    abort(Response(status=401, headers={"HX-Redirect": url}) if htmx else redirect(url, 303))


def own_path() -> str | None:
    """Return the page to come back to: this one when it was read, else the one the form stands on."""
    if not htmx and request.method in {"GET", "HEAD"}:
        return safe_next(request.full_path.rstrip("?"))
    url = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    if not url.startswith(request.host_url):
        return None
    return safe_next("/" + url[len(request.host_url) :].partition("#")[0])


def may(verb: Verb) -> bool:
    """Tell whether the person of this request may do something; templates draw by it."""
    return current_user.is_authenticated and allowed(person().role, verb)


def person() -> User:
    """Return the signed-in user of this request."""
    return cast("User", current_user._get_current_object())  # noqa: SLF001 - the proxy's own door


def actor() -> str:
    """Name the person of this request as history and audit do: by email."""
    return person().email


def declared_access(view: Callable[..., object] | None) -> str | None:
    """Return what a view declared, or None when it forgot to."""
    return getattr(view, _MARK, None)


def register(app: Flask) -> None:
    """Let templates ask what the person may do."""
    app.jinja_env.globals.update(may=may, Verb=Verb)


def _guarded(view: View[P, R], mark: str, verb: Verb | None) -> View[P, R]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            abort(503 if sessions.is_unreadable() else 401)
        if verb is not None and not may(verb):
            g.refused_verb = verb
            abort(403)
        if sessions.lacks_factor() and not hasattr(view, _OPEN_BEFORE):
            turn_to(url_for("second_factor.index", next=own_path()))
        return view(*args, **kwargs)

    setattr(guarded, _MARK, mark)
    return guarded
