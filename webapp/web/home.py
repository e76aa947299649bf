"""The start page leads everybody to their own work."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from webapp.accounts.roles import Verb
from webapp.web.access import requires

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """Go to the integrations; who may not see them is told which role does."""
    return redirect(url_for("integrations.index"), 303)
