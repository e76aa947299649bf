"""One page for every code a call can end with: what it means, what it did, and what to do about it."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from webapp.engine.code_help import ACTORS, EFFECTS, GROUPS, HELP, REPEATS, every_code
from webapp.engine.codes import CODES
from webapp.web.access import signed_in
from webapp.web.page import page

blueprint = Blueprint("problems", __name__, url_prefix="/help/errors")


@blueprint.get("")
@signed_in
def index() -> Response:
    """List every code, by where it comes from."""
    return page("problems/index.html", groups=GROUPS, codes=every_code(), help=HELP)


@blueprint.get("/<code>")
@signed_in
def show(code: str) -> Response:
    """Explain one code; the name of a problem's type leads here as well."""
    name = code.upper().replace("-", "_")
    meaning = every_code().get(name)
    if meaning is None or name not in HELP:
        abort(404)
    return page(
        "problems/show.html",
        name=name,
        code=meaning,
        help=HELP[name],
        of_calls=name in CODES,
        effects=EFFECTS,
        repeats=REPEATS,
        actors=ACTORS,
    )
