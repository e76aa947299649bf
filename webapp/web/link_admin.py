"""Linked accounts as those who run Patchbay see them: how many of each service. Never whose, never a token."""

from __future__ import annotations

from flask import Blueprint, Response

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.links.census import census
from webapp.web.access import requires
from webapp.web.page import page

blueprint = Blueprint("link_admin", __name__, url_prefix="/settings/links")


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """Every service people can link accounts of, in numbers."""
    return page("links/index.html", services=census(db.session(), runtime()))
