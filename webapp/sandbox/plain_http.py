"""A pretend HTTP service: echoes what it gets, or answers with the status asked for."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from webapp.sandbox.knobs import behaves
from webapp.sandbox.outbox import outbox

bp = Blueprint("plain_http", __name__, url_prefix="/http")

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def refuse(status: int) -> ResponseReturnValue:
    """Answer an error as a plain JSON service would."""
    return {"error": status}, status, {"Retry-After": "1"} if status in {429, 503} else {}


@bp.route("/status/<int:status>", methods=METHODS)
@behaves("http", refuse)
def answer(status: int) -> ResponseReturnValue:
    """Answer with the status in the address (200 to 599)."""
    return refuse(status if 200 <= status <= 599 else 400)  # noqa: PLR2004 - the range of final statuses


@bp.route("/", defaults={"path": ""}, methods=METHODS)
@bp.route("/<path:path>", methods=METHODS)
@behaves("http", refuse)
def echo(path: str) -> ResponseReturnValue:
    """Return method, path, query and body as they arrived."""
    text = request.get_data(as_text=True)
    if request.method != "GET":
        outbox().add("http", f"{request.method} /{path}", text)
    return {"method": request.method, "path": f"/{path}", "query": request.args.to_dict(), "body": text}
