"""System settings: one page that leads to each area."""

from __future__ import annotations

from flask import Blueprint, Response

from webapp.accounts.roles import Verb
from webapp.web import nav
from webapp.web.access import requires
from webapp.web.page import page

blueprint = Blueprint("settings", __name__, url_prefix="/settings")


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """List the areas this person may open."""
    return page("settings/index.html", areas=nav.settings_places())
