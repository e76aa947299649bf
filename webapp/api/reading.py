"""The OpenAPI document in the order in which people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Row:
    """One member of a schema, or one parameter."""

    name: str
    kind: str
    required: bool
    description: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb on one address."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str | None
    parameters: tuple[Row, ...]
    body: str | None
    answers: tuple[tuple[str, str | None], ...]


def chapters(document: dict[str, Any]) -> dict[str, list[Operation]]:
    """The operations by tag, in the order of the document's tags."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                found[operation["tags"][0]].append(_operation(document, path, method, item))
    return found


def members(document: dict[str, Any]) -> dict[str, list[Row]]:
    """The members of every schema, by its name."""
    schemas = document["components"]["schemas"]
    return {
        name: [_row(schema, member) for member in schema.get("properties", {})]
        for name, schema in schemas.items()
    }


def _operation(document: dict[str, Any], path: str, method: str, item: dict[str, Any]) -> Operation:
    operation = item[method]
    given = [*item.get("parameters", ()), *operation.get("parameters", ())]
    content = operation.get("requestBody", {}).get("content", {})
    security = operation["security"]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        scope=security[0]["token"][0] if security else None,
        parameters=tuple(_parameter(document, one) for one in given),
        body=_name(content["application/json"]["schema"]) if content else None,
        answers=tuple((status, _answer(answer)) for status, answer in operation["responses"].items()),
    )


def _parameter(document: dict[str, Any], parameter: dict[str, Any]) -> Row:
    if "$ref" in parameter:
        parameter = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    kind, _ = _kind(parameter["schema"])
    place = {"query": "", "path": " (path)", "header": " (header)"}[parameter["in"]]
    return Row(parameter["name"], kind + place, parameter["required"], parameter.get("description", ""))


def _row(schema: dict[str, Any], member: str) -> Row:
    about = schema["properties"][member]
    kind, link = _kind(about)
    return Row(member, kind, member in schema.get("required", ()), about.get("description", ""), link)


def _answer(answer: dict[str, Any]) -> str | None:
    if "$ref" in answer:
        return "ProblemOut"
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return _name(schema) if schema else None


def _name(schema: dict[str, Any]) -> str | None:
    return schema["$ref"].rpartition("/")[2] if "$ref" in schema else None


def _kind(schema: dict[str, Any]) -> tuple[str, str]:  # noqa: PLR0911 - one line per form of a schema
    """A type in words, and the schema it leads to."""
    if name := _name(schema):
        return name, name
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        return " | ".join(kind for kind, _ in kinds), next((link for _, link in kinds if link), "")
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"]), ""
    if "const" in schema:
        return str(schema["const"]), ""
    if schema.get("type") == "array":
        kind, link = _kind(schema.get("items", {}))
        return f"[{kind}]", link
    if isinstance(below := schema.get("additionalProperties"), dict):
        kind, link = _kind(below)
        return f"{{…: {kind}}}", link
    return str(schema.get("format") or schema.get("type", "any")), ""
