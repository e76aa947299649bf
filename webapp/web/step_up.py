"""“Confirm that it is you”: before secrets, keys, people and tokens are touched, by password or code, for ten minutes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import passkeys, second_factor, sessions, signin
from webapp.extensions import db, runtime
from webapp.vault import audit
from webapp.web.access import before_enrolment, own_path, person, signed_in
from webapp.web.hx import htmx, notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.security import SAFE_METHODS, safe_next
from webapp.web.strict import take_only

P = ParamSpec("P")
R = TypeVar("R")

blueprint = Blueprint("step_up", __name__)


def step_up(view: Callable[P, R]) -> Callable[P, R]:
    """Ask again who it is unless that was shown minutes ago; stands below the decorator that says who may."""

    @wraps(view)
    def confirmed(*args: P.args, **kwargs: P.kwargs) -> R:
        require_step_up()
        return view(*args, **kwargs)

    confirmed.asks_again = True  # type: ignore[attr-defined]
    return confirmed


def require_step_up() -> None:
    """Leave the view for the question unless it was answered minutes ago.

    htmx gets the question above the form, which keeps all that was typed; a plain form is sent again afterwards.
    """
    if sessions.is_stepped_up():
        return
    if htmx and request.method not in SAFE_METHODS:
        abort(_ask_above())
    if request.method not in SAFE_METHODS:
        notify(gettext("Nothing was changed yet: confirm that it is you, then do it again."), "warn")
    target = own_path()
    if htmx:
        abort(Response(status=401, headers={"HX-Redirect": url_for("step_up.confirm", next=target)}))
    abort(redirect(url_for("step_up.confirm", next=target), 303))


@blueprint.route("/confirm", methods=["GET", "POST"])
@signed_in
@before_enrolment
def confirm() -> BaseResponse:
    """Take the password or a code, then go back to where it was asked for."""
    target = safe_next(request.values.get("next")) or url_for("home.index")
    if request.method == "GET":
        return redirect(target, 303) if sessions.is_stepped_up() else _question(target)
    take_only({"password", "code", "inline"})
    try:
        method = _prove(request.form.get("password", ""), request.form.get("code", ""))
    except second_factor.CodeRefused as refused:
        response = _question(target, say(refused.message), 429 if refused.wait else 422)
        if refused.wait:
            response.headers["Retry-After"] = str(refused.wait)
        return response
    confirmed_by(method)
    return page("auth/step_up_done.html", "done") if _is_inline() else redirect(target, 303)


def _prove(password: str, code: str) -> str:
    user = person()
    if code.strip():
        return second_factor.check(runtime(), user, code)
    signin.confirm_password(runtime(), user, password)
    return "password"


def confirmed_by(method: str) -> None:
    """Note that the person has shown again who they are, and how."""
    sessions.step_up()
    _write_down(method)


def _write_down(method: str) -> None:
    with runtime().sessions() as session:
        who = person().email
        audit.append(
            session, runtime(), actor=who, action="session.step_up", target=who, detail={"method": method}
        )
        session.commit()


def _question(target: str, error: str = "", status: int = 200) -> Response:
    has_factor = second_factor.has_factor(db.session(), person())
    known = passkeys.of(db.session(), person())
    template = "auth/step_up_inline.html" if _is_inline() else "auth/step_up.html"
    return page(
        template,
        None,
        status,
        target=target,
        error=error,
        has_factor=has_factor,
        options=passkeys.to_use(runtime(), known) if known and not _is_inline() else None,
        provider=runtime().config.oidc if person().identity else None,
    )


def _ask_above() -> Response:
    """Put the question into the banner of the page that sent the form."""
    has_factor = second_factor.has_factor(db.session(), person())
    response = page("auth/step_up_inline.html", None, 403, error="", has_factor=has_factor)
    response.headers.update({"HX-Retarget": "#banner", "HX-Reswap": "innerHTML", "HX-Reselect": "#step-up"})
    return response


def _is_inline() -> bool:
    return bool(htmx) and request.form.get("inline") == "1"
