"""Routes: named preference lists."""

from __future__ import annotations

from flask import Response, jsonify, url_for

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, query_parameters
from webapp.api.schemas import RouteList, RouteOut
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.registry import routes
from webapp.registry.routes import RouteChange, RouteFields

blueprint = area("routes")


@blueprint.get("/routes")
@scoped("services:read")
@documented("List routes", "Routes", answers={200: RouteList})
def index() -> Response:
    """All of them, by name."""
    query_parameters(())
    return jsonify(
        items=[routes.to_dict(route) for route in routes.all_routes(db.session())], next_cursor=None
    )


@blueprint.post("/routes")
@scoped("services:write")
@documented("Create a route", "Routes", body=RouteFields, answers={201: RouteOut}, problems=(409, 422))
def create() -> Response:
    """Its members are services of one contract, the preferred one first."""
    route = routes.create(db.session(), runtime(), json_object(), actor=caller().actor)
    db.session.commit()
    response = jsonify(routes.to_dict(route))
    response.headers["Location"] = url_for("api_routes.show", name=route.name)
    return response, 201  # type: ignore[return-value]


@blueprint.get("/routes/<name>")
@scoped("services:read")
@documented("Read a route", "Routes", answers={200: RouteOut}, problems=(404,))
def show(name: str) -> Response:
    """The services in the order in which a call tries them."""
    return jsonify(routes.to_dict(routes.find(db.session(), name)))


@blueprint.put("/routes/<name>")
@scoped("services:write")
@documented("Replace a route", "Routes", body=RouteChange, answers={200: RouteOut}, problems=(404, 422))
def replace(name: str) -> Response:
    """The name stays; everything else is replaced."""
    route = routes.find(db.session(), name)
    routes.update(db.session(), runtime(), route, json_object(), actor=caller().actor)
    db.session.commit()
    return jsonify(routes.to_dict(route))


@blueprint.delete("/routes/<name>")
@scoped("services:write")
@documented("Delete a route", "Routes", answers={204: None}, problems=(404,))
def delete(name: str) -> Response:
    """Calls that name it no longer find it."""
    routes.delete(db.session(), runtime(), routes.find(db.session(), name), actor=caller().actor)
    db.session.commit()
    return Response(status=204)
