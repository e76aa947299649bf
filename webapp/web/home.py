"""The start page leads everybody to their own work."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from webapp.accounts.roles import Verb
from webapp.web.access import may, signed_in

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
@signed_in
def index() -> Response:
    """Go to the integrations; who only has accounts of their own goes to those."""
    return redirect(url_for("integrations.index" if may(Verb.SERVICE_READ) else "my.index"), 303)
