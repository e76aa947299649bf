"""Routes: a name for services of one contract in the order in which a call tries them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.kit import Message, N_
from adapters.kit.syntax import single_line
from webapp.db import begin_write
from webapp.models.route import Route
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.registry.errors import Conflict, Flaw, Invalid, NotFound
from webapp.registry.fields import Prose, Strict, flaws_of
from webapp.registry.shape import moment
from webapp.runtime import Runtime
from webapp.vault import audit

MAX_MEMBERS = 20
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
RouteName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=80,
        pattern=f"^{_NAME.pattern}$",
        description="Capital letters, digits and underscores, such as EMAIL_PROVIDER_PRIMARY.",
    ),
]


class RouteChange(Strict):
    """What a route holds."""

    contract: str = Field(min_length=1, max_length=80)
    description: Prose | None = None
    members: list[Annotated[str, Field(max_length=80), AfterValidator(single_line)]] = Field(
        max_length=MAX_MEMBERS, description="Ids of services, the preferred one first."
    )


class RouteFields(RouteChange):
    """A route: what it holds and what it is called."""

    name: RouteName


def find(session: Session, name: str) -> Route:
    """The route of this name; raises NotFound."""
    route = session.get(Route, name) if _NAME.fullmatch(name) else None
    if route is None:
        raise NotFound(Message.of(N_("There is no route of this name.")))
    return route


def all_routes(session: Session) -> Sequence[Route]:
    """Every route, by name."""
    return session.scalars(select(Route).order_by(Route.name)).all()


def create(
    session: Session, runtime: Runtime, values: Mapping[str, Any], *, actor: str, origin: str | None = None
) -> Route:
    """Add a route. Raises Invalid or Conflict (NAME_TAKEN). The caller commits."""
    fields = _checked(session, runtime, values)
    begin_write(session, "routes")
    if session.get(Route, fields.name) is not None:
        message = Message.of(N_("There is already a route called %(name)s."), name=fields.name)
        raise Conflict("NAME_TAKEN", message, [Flaw.at("name", code="taken", message=message)])
    now = runtime.clock.now()
    route = Route(**fields.model_dump(), created_at=now, updated_at=now)
    session.add(route)
    return _noted(session, runtime, route, actor=actor, action="route.create", origin=origin)


def update(
    session: Session,
    runtime: Runtime,
    route: Route,
    values: Mapping[str, Any],
    *,
    actor: str,
    origin: str | None = None,
) -> Route:
    """Replace what a route holds; its name stays, and may be repeated. Raises Invalid. The caller commits."""
    if values.get("name", route.name) != route.name:
        text = Message.of(N_("The name of a route does not change: create another route."))
        raise Invalid([Flaw.at("name", code="read_only", message=text)])
    fields = _checked(session, runtime, {**values, "name": route.name})
    route.contract, route.description, route.members = fields.contract, fields.description, fields.members
    route.updated_at = runtime.clock.now()
    return _noted(session, runtime, route, actor=actor, action="route.update", origin=origin)


def reorder(
    session: Session, runtime: Runtime, route: Route, members: Sequence[str], *, actor: str
) -> list[str]:
    """Put services in this order and return the order before. Raises Invalid. The caller commits."""
    before = list(route.members)
    values = {"contract": route.contract, "description": route.description, "members": list(members)}
    if list(members) != before:
        update(session, runtime, route, values, actor=actor)
    return before


def delete(session: Session, runtime: Runtime, route: Route, *, actor: str) -> None:
    """Remove a route; calls that name it no longer find it. The caller commits."""
    _noted(session, runtime, route, actor=actor, action="route.delete")
    session.delete(route)
    session.flush()


def member_names(session: Session, route: Route) -> list[str]:
    """The names of a route's services in its order; one that was deleted is named by its id."""
    query = select(Service.service_id, Service.service_name).where(Service.service_id.in_(route.members))
    names = {row.service_id: row.service_name for row in session.execute(query)}
    return [names.get(member, member) for member in route.members]


def to_dict(route: Route) -> dict[str, Any]:
    """A route as JSON."""
    return {
        "name": route.name,
        "contract": route.contract,
        "description": route.description,
        "members": list(route.members),
        "created_at": moment(route.created_at),
        "updated_at": moment(route.updated_at),
    }


def _checked(session: Session, runtime: Runtime, values: Mapping[str, Any]) -> RouteFields:
    try:
        fields = RouteFields.model_validate(values, strict=True)
    except ValidationError as failure:
        raise Invalid(flaws_of(failure)) from None
    flaws = _wrong_members(session, fields)
    if fields.contract not in runtime.catalog.contracts():
        text = Message.of(N_("There is no contract of this name."))
        flaws.insert(0, Flaw.at("contract", code="choice", message=text))
    if _hides_another_word(runtime, fields.name):
        text = Message.of(N_("This name already means a contract or a service type."))
        flaws.insert(0, Flaw.at("name", code="choice", message=text))
    if flaws:
        raise Invalid(flaws)
    return fields


def _hides_another_word(runtime: Runtime, name: str) -> bool:
    return name in runtime.catalog.contracts() or runtime.catalog.get(name) is not None


def _wrong_members(session: Session, fields: RouteFields) -> list[Flaw]:
    query = select(Service.service_id, Service.contract).where(
        Service.service_id.in_(fields.members), Service.deleted_at.is_(None)
    )
    contracts = {row.service_id: row.contract for row in session.execute(query)}
    routes = set(session.scalars(select(Route.name).where(Route.name.in_(fields.members)))) | {fields.name}
    flaws = []
    for place, member in enumerate(fields.members):
        if member in routes:
            code, text = (
                "route",
                N_("A route lists services, never routes: so no route can lead back to itself."),
            )
        elif member not in contracts:
            code, text = "choice", N_("There is no such service.")
        elif contracts[member] != fields.contract:
            code, text = "choice", N_("This service is of another contract.")
        elif member in fields.members[:place]:
            code, text = "duplicate", N_("This service is already in the list.")
        else:
            continue
        flaws.append(Flaw.at("members", place, code=code, message=Message.of(text)))
    return flaws


def _noted(
    session: Session, runtime: Runtime, route: Route, *, actor: str, action: str, origin: str | None = None
) -> Route:
    session.flush()
    detail = {"contract": route.contract, "members": list(route.members)}
    if origin:
        detail["origin"] = origin
    audit.append(session, runtime, actor=actor, action=action, target=route.name, detail=detail)
    return route
