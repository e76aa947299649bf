"""Routes: which service is tried first, which one takes over, and what a call would do now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from webapp.accounts.roles import Verb
from webapp.engine.explain import Explanation, explain
from webapp.extensions import db, runtime
from webapp.models.route import Route
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry import routes as registry
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.web.access import actor, requires
from webapp.web.hx import htmx, notice, notify, respond
from webapp.web.i18n import say
from webapp.web.page import page

blueprint = Blueprint("routes", __name__, url_prefix="/settings/routes")


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """List the routes with their services in order."""
    return page("routes/index.html", routes=registry.all_routes(db.session()), services=_services())


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Verb.ROUTE_WRITE)
def create() -> ResponseReturnValue:
    """Name a new route and choose its contract; services are added on its page."""
    values = request.form.to_dict()
    if request.method == "GET":
        return _new(values)
    fields = {**_fields(values), "name": values.get("name", "").strip(), "members": []}
    try:
        route = registry.create(db.session(), runtime(), fields, actor=actor())
    except (Invalid, Conflict) as refused:
        db.session.rollback()
        return _new(values, refused.errors)
    db.session.commit()
    url = url_for(".show", name=route.name)
    return respond(redirect=url) if htmx else redirect(url, 303)


@blueprint.get("/<name>")
@requires(Verb.SERVICE_READ)
def show(name: str) -> Response:
    """The order of a route, who uses it, and what a call naming it would do now."""
    return _page(_route(name))


@blueprint.post("/<name>")
@requires(Verb.ROUTE_WRITE)
def edit(name: str) -> ResponseReturnValue:
    """Change the description and the order of a route; each button saves the order it makes."""
    route = _route(name)
    before = list(route.members)
    given = {"description": route.description or "", **request.form, "contract": route.contract}
    fields = {**_fields(given), "members": _reordered(route.members)}
    try:
        registry.update(db.session(), runtime(), route, fields, actor=actor())
    except Invalid as refused:
        db.session.rollback()
        return _page(_route(name), refused.errors)
    db.session.commit()
    return _saved(route, before)


@blueprint.post("/<name>/order")
@requires(Verb.ROUTE_WRITE)
def order(name: str) -> ResponseReturnValue:
    """Put a route back into an earlier order: what Undo does."""
    route = _route(name)
    members = [member for member in request.args.get("members", "").split(",") if member]
    try:
        before = registry.reorder(db.session(), runtime(), route, members, actor=actor())
    except Invalid as refused:
        db.session.rollback()
        notify(refused.errors[0].message, "bad")
        return redirect(url_for(".show", name=name), 303)
    db.session.commit()
    return _saved(route, before)


@blueprint.post("/<name>/delete")
@requires(Verb.ROUTE_WRITE)
def delete(name: str) -> ResponseReturnValue:
    """Remove a route; calls that name it no longer find it."""
    registry.delete(db.session(), runtime(), _route(name), actor=actor())
    db.session.commit()
    notify(gettext("Route %(name)s deleted.", name=name))
    return redirect(url_for(".index"), 303)


def _saved(route: Route, before: Sequence[str]) -> ResponseReturnValue:
    """Say what the order is now, with the way back to the one before."""
    text, undo = gettext("Route saved."), None
    if list(before) != list(route.members):
        names = _services()
        told = " → ".join(names[member].service_name for member in route.members if member in names)
        text = gettext("The order is now: %(order)s", order=told or gettext("no service"))
        undo = url_for(".order", name=route.name, members=",".join(before))
    if htmx.wants_fragment:
        return respond(_page(route), toast=notice(text, undo=undo))
    notify(text, undo=undo)
    return redirect(url_for(".show", name=route.name), 303)


def _page(route: Route, errors: tuple[Flaw, ...] = ()) -> Response:
    services, found = _services(), {flaw.pointer.split("/")[1]: flaw.message for flaw in errors}
    operations = list(runtime().catalog.contracts()[route.contract].operations().values())
    return page(
        "routes/show.html",
        "route",
        status=422 if errors else 200,
        route=route,
        values=request.form if errors else {"description": route.description or ""},
        errors=found,
        summary=[(f"f-{name}", say(message)) for name, message in found.items()],
        services=services,
        addable=_addable(route, services),
        operations=[(operation.name, say(operation.label)) for operation in operations],
        now=_explained(route, [operation.name for operation in operations]),
        uses=runtime().log.points_of(route.name),
    )


def _explained(route: Route, operations: Sequence[str]) -> Explanation:
    """What a call of the chosen operation would do; the first one of the contract unless another is asked for."""
    wanted = request.args.get("operation", "")
    return explain(runtime(), wanted if wanted in operations else operations[0], route.name)


def _new(values: Mapping[str, str], errors: tuple[Flaw, ...] = ()) -> Response:
    found = {flaw.pointer.split("/")[1]: flaw.message for flaw in errors}
    return page(
        "routes/new.html",
        "form",
        status=422 if errors else 200,
        values=values,
        errors=found,
        summary=[(f"f-{name}", say(message)) for name, message in found.items()],
        contracts=[(name, say(contract.label)) for name, contract in runtime().catalog.contracts().items()],
    )


def _addable(route: Route, services: Mapping[str, Service]) -> list[tuple[str, str]]:
    """The services of the route's contract that are not in it yet."""
    return [
        (service.service_id, service.service_name)
        for service in services.values()
        if service.contract == route.contract and service.service_id not in route.members
    ]


def _route(name: str) -> Route:
    try:
        return registry.find(db.session(), name)
    except NotFound:
        abort(404)


def _services() -> dict[str, Service]:
    query = select(Service).where(Service.deleted_at.is_(None)).order_by(Service.name_key)
    return {service.service_id: service for service in db.session.scalars(query)}


def _fields(given: Mapping[str, Any]) -> dict[str, object]:
    fields: dict[str, object] = {"contract": given.get("contract", "")}
    return fields | (
        {"description": given["description"].strip()} if given.get("description", "").strip() else {}
    )


def _reordered(members: list[str]) -> list[str]:
    """The order after the button that was pressed: `up`, `down`, `remove` or `add`, each with a service id."""
    order = list(members)
    for action in ("up", "down", "remove", "add"):
        chosen = request.form.get(action, "")
        if action == "add" and chosen:
            order.append(chosen)
        elif chosen in order:
            place = order.index(chosen)
            order.pop(place)
            if action != "remove":
                order.insert(max(place + (-1 if action == "up" else 1), 0), chosen)
    return order
