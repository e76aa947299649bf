"""Services: list, create, read, replace, change, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, url_for

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, only, query, query_parameters
from webapp.api.conditional import expected_revision, tagged
from webapp.api.schemas import ServiceChange, ServiceIn, ServiceOut, ServicePage, ServiceQuery
from webapp.api.service_json import listed, members
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import services
from webapp.registry.drafts import Mode
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.fields import ServiceFields
from webapp.registry.search import ServiceFilter

blueprint = area("services")

FIELDS = frozenset(ServiceFields.model_fields)
READ_ONLY = frozenset(ServiceOut.model_fields) - FIELDS - {"configurations", "service_type"}


@blueprint.get("/services")
@scoped("services:read")
@documented("List services", "Services", query=ServiceQuery, answers={200: ServicePage}, problems=(422,))
def index() -> Response:
    """In the order of their names; every filter must hold."""
    page = services.search(db.session(), runtime(), ServiceFilter(**query(ServiceQuery).model_dump()))
    return jsonify(items=[listed(found) for found in page.items], next_cursor=page.next_cursor)


@blueprint.post("/services")
@scoped("services:write")
@documented(
    "Create a service", "Services", body=ServiceIn, answers={201: ServiceOut}, problems=(409, 422, 501, 503)
)
def create() -> Response:
    """It starts disabled unless `is_enabled` is true. The answer's Location is the new service."""
    body = json_object()
    service_type, configurations = _type_and_settings(body)
    note = body.pop("note", None)
    service = services.create(
        db.session(),
        runtime(),
        name=body.pop("service_name", None),
        service_type=service_type,
        configurations=configurations,
        actor=caller().actor,
        origin="api",
        note=note,
        **body,
    )
    return _saved(service, 201)


@blueprint.get("/services/<service_id>")
@scoped("services:read")
@documented(
    "Read a service",
    "Services",
    answers={200: ServiceOut, 304: None},
    problems=(404, 412),
    headers=("IfMatch", "IfNoneMatch"),
)
def show(service_id: str) -> Response:
    """The ETag names the revision of what was configured; tests and health change without a new one."""
    query_parameters(())
    service = services.find(db.session(), service_id)
    expected_revision(service.revision)
    return tagged(members(service), service.revision)


@blueprint.put("/services/<service_id>")
@scoped("services:write")
@documented(
    "Replace a service",
    "Services",
    body=ServiceIn,
    answers={200: ServiceOut},
    problems=(404, 409, 412, 422, 501, 503),
    headers=("IfMatch",),
)
def replace(service_id: str) -> Response:
    """Absent settings go back to their defaults; absent secrets are kept, and so is `is_enabled`."""
    service = services.find(db.session(), service_id)
    body = json_object()
    service_type, configurations = _type_and_settings(body)
    if service_type != service.service_type:
        text = Message.of(N_("The type of a service does not change: create another service."))
        raise Invalid([Flaw.at("service_type", code="read_only", message=text)])
    return _update(service, body | {"configurations": configurations}, "put")


@blueprint.patch("/services/<service_id>")
@scoped("services:write")
@documented(
    "Change a service",
    "Services",
    body=ServiceChange,
    partial=True,
    answers={200: ServiceOut},
    problems=(404, 409, 412, 422, 501, 503),
    headers=("IfMatch",),
)
def change(service_id: str) -> Response:
    """A merge patch: what is absent stays, null goes back to the default, an absent secret is kept."""
    service = services.find(db.session(), service_id)
    body = json_object()
    only(body, FIELDS | {"configurations", "note"}, read_only=READ_ONLY | {"service_type"})
    if "configurations" in body:
        _require_object(body["configurations"])
    return _update(service, body, "patch")


@blueprint.delete("/services/<service_id>")
@scoped("services:write")
@documented("Delete a service", "Services", answers={204: None}, problems=(404, 412), headers=("IfMatch",))
def delete(service_id: str) -> Response:
    """For 30 days an administrator can bring it back."""
    service = services.find(db.session(), service_id)
    expected = expected_revision(service.revision)
    services.delete(
        db.session(), runtime(), service, actor=caller().actor, origin="api", expected_revision=expected
    )
    db.session.commit()
    return Response(status=204)


def _type_and_settings(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Take both out of the body and leave the other members; raises Invalid for what does not belong."""
    required = ("service_type", "configurations")
    only(body, FIELDS | {*required, "note"}, required=(*required, "service_name"), read_only=READ_ONLY)
    service_type, configurations = body.pop("service_type"), body.pop("configurations")
    if not isinstance(service_type, str):
        raise Invalid([Flaw.at("service_type", code="type", message=Message.of(N_("This must be text.")))])
    _require_object(configurations)
    return service_type, configurations


def _require_object(configurations: object) -> None:
    if not isinstance(configurations, dict):
        text = Message.of(N_("This must be an object with named members."))
        raise Invalid([Flaw.at("configurations", code="type", message=text)])


def _update(service: Service, changes: dict[str, Any], mode: Mode) -> Response:
    note = changes.pop("note", None)
    services.update(
        db.session(),
        runtime(),
        service,
        changes,
        mode=mode,
        actor=caller().actor,
        origin="api",
        note=note,
        expected_revision=expected_revision(service.revision),
    )
    return _saved(service)


def _saved(service: Service, status: int = 200) -> Response:
    db.session.commit()
    response = tagged(members(service), service.revision, status)
    if status == HTTPStatus.CREATED:
        response.headers["Location"] = url_for("api_services.show", service_id=service.service_id)
    return response
