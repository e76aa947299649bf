"""The OpenAPI 3.1 document, made from the routes and from what each view says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from webapp.accounts.tokens import SCOPES
from webapp.api.call_schemas import ProblemOut
from webapp.api.problems import MEDIA_TYPE
from webapp.api.spec import Documentation, documentation, scope

REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_METHODS = ("get", "post", "put", "patch", "delete")

TAGS = (
    "Types",
    "Services",
    "Revisions",
    "Secrets",
    "Expirations",
    "Routes",
    "Configuration",
    "Calls",
    "Links",
    "Logs",
    "Metrics",
    "Health",
    "Incidents",
    "Maintenance",
    "Alerts",
    "Reference",
)
HEADERS: dict[str, dict[str, Any]] = {
    "IfMatch": {
        "name": "If-Match",
        "description": "The ETag that was read; 412 when it is no longer the newest.",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "description": "The ETag that is known; 304 when it still holds.",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "description": "Repeating a call under its key sends nothing twice.",
    },
    "Traceparent": {
        "name": "traceparent",
        "description": "The trace the call belongs to (W3C Trace Context).",
    },
    "CorrelationId": {
        "name": "X-Correlation-Id",
        "description": "Comes back in the answer and stands in the log.",
    },
}


def document(app: Flask, prefix: str, version: str) -> dict[str, Any]:
    """Describe every route below the prefix."""
    operations = list(_operations(app, prefix))
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, described, needed in operations:
        path = _PARAMETER.sub(r"{\1}", rule.rule)
        paths.setdefault(path, _shared(rule))[method] = _operation(rule, described, needed)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Patchbay", "version": version, "description": _ABOUT},
        "tags": [{"name": name} for name in TAGS],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": _security_scheme()},
            "parameters": {name: _header(**about) for name, about in HEADERS.items()},
            "responses": {"Problem": _problem_response()},
            "schemas": _schemas([described for _, _, described, _ in operations]),
        },
    }


_ABOUT = (
    "Configure, call and watch every external service a platform depends on. Send `Authorization: Bearer pb_…`; "
    "errors are problem details (RFC 9457). Lists answer `items` and `next_cursor`; unknown members are refused."
)


def _operations(app: Flask, prefix: str) -> Iterator[tuple[Rule, str, Documentation, str | None]]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        described = documentation(view)
        if described and rule.rule.startswith(f"{prefix}/"):
            for method in _METHODS:
                if method.upper() in (rule.methods or ()):
                    yield rule, method, described, scope(view)


def _shared(rule: Rule) -> dict[str, Any]:
    """The parameters in the path, which all methods share."""
    names = _PARAMETER.findall(rule.rule)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(rule: Rule, described: Documentation, needed: str | None) -> dict[str, Any]:
    parameters = [
        *_query(described.query),
        *({"$ref": f"#/components/parameters/{name}"} for name in described.headers),
    ]
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.removeprefix("api_").replace(".", "_"),
        "tags": [described.tag],
        "summary": described.summary,
        "description": described.description,
        "responses": {str(status): _answer(status, kind) for status, kind in described.answers.items()},
    }
    statuses = sorted(
        {*described.problems, *((401, 403) if needed else ()), 406, *((400, 415) if described.body else ())}
    )
    operation["responses"] |= {str(status): {"$ref": "#/components/responses/Problem"} for status in statuses}
    operation["security"] = [{"token": [needed]}] if needed else []
    if parameters:
        operation["parameters"] = parameters
    if described.body:
        operation["requestBody"] = _body(described)
    return operation


def _query(model: type[BaseModel] | None) -> Iterator[dict[str, Any]]:
    if model is None:
        return
    for name, schema in model.model_json_schema()["properties"].items():
        about = {"description": schema.pop("description")} if "description" in schema else {}
        yield {"name": name, "in": "query", "required": False, "schema": _without_null(schema), **about}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is absent, never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {
        name: value for name, value in schema.items() if name not in {"anyOf", "title"} and value is not None
    }
    return {**rest, **kinds[0]} if kinds else rest


def _body(described: Documentation) -> dict[str, Any]:
    assert described.body is not None
    media = "application/merge-patch+json" if described.partial else "application/json"
    content = {"schema": {"$ref": REF.format(model=described.body.__name__)}}
    return {"required": described.body_required, "content": {"application/json": content, media: content}}


def _answer(status: int, kind: type[BaseModel] | str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, str):
        answer["content"] = {one: {} for one in kind.split(", ")}
    elif kind is not None:
        answer["content"] = {"application/json": {"schema": {"$ref": REF.format(model=kind.__name__)}}}
    return answer


def _schemas(described: list[Documentation]) -> dict[str, Any]:
    models: set[type[BaseModel]] = {ProblemOut}
    for one in described:
        models |= {kind for kind in (one.body, *one.answers.values()) if isinstance(kind, type)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    for one in described:
        if one.partial and one.body:
            schemas[one.body.__name__].pop("required", None)
    return dict(sorted(schemas.items()))


def _security_scheme() -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": f"An API token. Scopes: {', '.join(SCOPES)}."}


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _problem_response() -> dict[str, Any]:
    return {
        "description": "What went wrong, as problem details.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="ProblemOut")}}},
    }
