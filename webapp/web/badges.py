"""Badges: name and state of one service for whoever has the address, as an image or as JSON."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.monitor import publishing
from webapp.web.access import actor, public, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.states import state_of

blueprint = Blueprint("badges", __name__, url_prefix="/badge")
_COLOURS = {"ok": "#0b6b4f", "warn": "#8a4d00", "bad": "#b1221b", "info": "#1f55c4"}
_LETTER, _WIDE, _PAD = 7, 13, 16
_SVG = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="22" role="img" aria-label="{name}: {state}">'
    '<rect width="{all}" height="22" rx="4" fill="#1b2230"/><path d="M{left} 0h{right}v22h-{right}z" fill="{colour}"/>'
    '<g fill="#fff" font-family="system-ui,sans-serif" font-size="12"><text x="8" y="15">{name}</text>'
    '<text x="{at}" y="15">{state}</text></g></svg>'
)


@blueprint.get("/<token>.svg")
@public
def image(token: str) -> Response:
    """The badge as an image."""
    name, state = _find(token)
    look = state_of(state)
    return _fresh(
        Response(_draw(name, say(look.label), _COLOURS.get(look.tone, "#566072")), mimetype="image/svg+xml")
    )


@blueprint.get("/<token>.json")
@public
def data(token: str) -> Response:
    """The badge for programs."""
    name, state = _find(token)
    return _fresh(jsonify(name=name, state=state))


@blueprint.post("/renew")
@requires(Verb.SERVICE_WRITE)
def renew() -> ResponseReturnValue:
    """Give every badge a new address."""
    publishing.renew_badges(db.session(), runtime(), actor=actor())
    db.session.commit()
    notify(gettext("Badges have new addresses; the old ones lead nowhere."))
    return redirect(url_for("health.index"), 303)


def _find(token: str) -> tuple[str, str]:
    return publishing.service_of(db.session(), runtime(), token) or abort(404)


def _draw(name: str, state: str, colour: str) -> Markup:
    left, right = _width(name), _width(state)
    return _SVG.format(
        all=left + right, left=left, right=right, at=left + _PAD // 2, name=name, state=state, colour=colour
    )


def _width(text: str) -> int:
    return _PAD + sum(_LETTER if letter.isascii() else _WIDE for letter in text)


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache, max-age=0"
    return response
