"""Sign-in of staff through their organisation's provider: there, and back."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask_login import current_user
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import oidc, sessions, signin, staff
from webapp.extensions import db, runtime
from webapp.models.user import User
from webapp.oidcconfig import Provider
from webapp.web.access import person, public
from webapp.web.auth import enter
from webapp.web.hx import notify
from webapp.web.security import safe_next

blueprint = Blueprint("staff", __name__, url_prefix="/login/provider")


@blueprint.get("")
@public
def start() -> BaseResponse:
    """Go to the provider; who is signed in already is asked there again."""
    target = safe_next(request.args.get("next")) or url_for("home.index")
    try:
        address = oidc.begin(
            runtime(), _provider(), _redirect_uri(), target, again=current_user.is_authenticated
        )
    except oidc.OidcRefused as refused:
        return _refuse(refused)
    return redirect(address, 303)


@blueprint.get("/back")
@public
def back() -> BaseResponse:
    """Take the person in whom the provider sends back."""
    try:
        claims, begun = oidc.finish(runtime(), _provider(), _redirect_uri(), request.args)
        user = staff.admit(db.session(), runtime(), _provider(), claims)
        db.session.commit()
    except (oidc.OidcRefused, IntegrityError) as refused:
        db.session.rollback()
        return _refuse(refused)
    if begun.again and current_user.is_authenticated and user.user_id != person().user_id:
        abort(403)
    return _come_in(user, begun.target)


def _come_in(user: User, target: str) -> BaseResponse:
    signin.enter(runtime(), user, sessions.BY_PROVIDER)
    return enter(user, safe_next(target) or url_for("home.index"))


def _provider() -> Provider:
    return runtime().config.oidc or abort(404)


def _redirect_uri() -> str:
    base = (runtime().config.base_url or request.host_url).rstrip("/")
    return base + url_for("staff.back")


def _refuse(refused: oidc.OidcRefused | IntegrityError) -> BaseResponse:
    """Say in plain words that it did not work; the reason is for whoever reads the log."""
    if isinstance(refused, oidc.OidcRefused):
        current_app.logger.warning("Sign-in by the provider was refused: %s", refused.reason)
        notify(refused.message, "bad")
    else:
        current_app.logger.warning("Two sign-ins of one new person met; the second has to start again.")
    return redirect(url_for("auth.login"), 303)
