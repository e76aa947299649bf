"""How one likes the pages: language, colours, density, keys and time zone; kept in the browser and with the person."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.extensions import db
from webapp.models.user import User
from webapp.web.access import person, public
from webapp.web.i18n import LOCALE_COOKIE, LOCALES, TIMEZONE_COOKIE, available_zones
from webapp.web.security import safe_next
from webapp.web.strict import take_only

blueprint = Blueprint("preferences", __name__)

LIFETIME = timedelta(days=365)
CHOICES = {
    LOCALE_COOKIE: frozenset(LOCALES),
    "theme": frozenset({"auto", "light", "dark"}),
    "density": frozenset({"comfortable", "compact"}),
    "letters": frozenset({"on", "off"}),
}
# What is kept with the person as well; density and keys are matters of the screen and the keyboard at hand.
KEPT = (LOCALE_COOKIE, "theme", TIMEZONE_COOKIE)


@blueprint.post("/preferences")
@public
def save() -> Response:
    """Take the choices of the form and go back to the page it stands on."""
    take_only({*CHOICES, TIMEZONE_COOKIE})
    chosen = {name: request.form[name] for name in (*CHOICES, TIMEZONE_COOKIE) if name in request.form}
    if not chosen or not all(_exists(name, value) for name, value in chosen.items()):
        abort(400)
    if current_user.is_authenticated:
        _keep(chosen)
    response = redirect(safe_next(request.form.get("next")) or url_for("home.index"), 303)
    _set_cookies(response, chosen)
    return response


def carry_over(response: Response, user: User) -> None:
    """Bring the choices a person made elsewhere to the browser they have just signed in with."""
    _set_cookies(response, {name: value for name in KEPT if (value := getattr(user, name))})


def _exists(name: str, value: str) -> bool:
    return value in available_zones() if name == TIMEZONE_COOKIE else value in CHOICES[name]


def _keep(chosen: dict[str, str]) -> None:
    user = db.session.get_one(User, person().user_id)
    for name in KEPT:
        if name in chosen:
            setattr(user, name, chosen[name])
    db.session.commit()


def _set_cookies(response: Response, chosen: dict[str, str]) -> None:
    for name, value in chosen.items():
        response.set_cookie(name, value, max_age=LIFETIME, path="/", secure=request.is_secure, samesite="Lax")
