"""The API about itself: the OpenAPI document, and the same for people."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify, make_response, render_template, request

from webapp.api import reading
from webapp.api.area import area
from webapp.api.bodies import query_parameters
from webapp.api.document import document
from webapp.api.problems import codes
from webapp.api.spec import documented
from webapp.extensions import runtime

blueprint = area("reference")
VERSION = "0.1.0"


@blueprint.get("/openapi.json")
@documented("Read this document", "Reference", answers={200: "application/json"})
def openapi() -> Response:
    """OpenAPI 3.1; open to everyone."""
    query_parameters(())
    response = jsonify(_document())
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
@documented("Read the reference", "Reference", answers={200: "text/html"})
def docs() -> Response:
    """The same as a page; open to everyone."""
    described = _document()
    shown = {"chapters": reading.chapters(described), "schemas": reading.members(described), "codes": codes()}
    return make_response(render_template("api/reference.html", document=described, **shown))


def _document() -> dict[str, Any]:
    prefix = f"{runtime().config.api_prefix}/integrations"
    return document(current_app, prefix, VERSION)
