"""The catalogue of adapters."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext

from adapters.kit import Entry, Message, Operation, N_
from webapp.api.access import scoped
from webapp.api.area import area
from webapp.api.bodies import query_parameters
from webapp.api.problems import Problem
from webapp.api.schemas import TypeDetail, TypeList
from webapp.api.spec import documented
from webapp.extensions import runtime

blueprint = area("types")


@blueprint.get("/types")
@scoped("services:read")
@documented("List the service types", "Types", answers={200: TypeList})
def types() -> Response:
    """Every adapter that was found, with the reason where one cannot be used."""
    query_parameters(())
    return jsonify(items=[_line(entry) for entry in runtime().catalog.entries()], next_cursor=None)


@blueprint.get("/types/<service_type>")
@scoped("services:read")
@documented("Read a service type", "Types", answers={200: TypeDetail}, problems=(404,))
def service_type(service_type: str) -> Response:
    """Its settings and its operations as JSON Schemas."""
    entry = runtime().catalog.get(service_type)
    if entry is None:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such service type.")))
    return jsonify(_line(entry) | _detail(entry))


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "service_type": entry.service_type,
        "contract": entry.contract,
        "label": entry.label,
        "summary": gettext(entry.adapter.summary) if entry.adapter and entry.adapter.summary else None,
        "available": entry.adapter is not None,
        "reason": entry.broken,
        "check_cost": entry.adapter.check_cost if entry.adapter else None,
    }


def _detail(entry: Entry) -> dict[str, Any]:
    if entry.adapter is None:
        return {"settings": None, "operations": []}
    operations = entry.adapter.operations().values()
    return {"settings": entry.adapter.Config.schema(), "operations": [_operation(one) for one in operations]}


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "label": gettext(operation.label) if operation.label else operation.name,
        "safety": operation.safety,
        "input": operation.params_schema(),
        "output": operation.result_schema(),
    }
