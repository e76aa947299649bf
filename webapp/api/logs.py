"""The call log: search it, read one attempt."""

from __future__ import annotations

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import query_parameters, validated_query
from webapp.api.call_schemas import LogDetail, LogPage, LogQuery
from webapp.api.identifiers import number
from webapp.api.problems import Problem
from webapp.api.schemas import PageQuery
from webapp.api.spec import documented
from webapp.extensions import runtime
from webapp.log.entries import Bodies
from webapp.log.filters import LogFilter

blueprint = area("logs")
PAGE = tuple(PageQuery.model_fields)


@blueprint.get("/logs")
@scoped("logs:read")
@documented("Search the log", "Logs", query=LogQuery, answers={200: LogPage}, problems=(422,))
def index() -> Response:
    """Attempts, the newest first; every filter must hold."""
    given = query_parameters((*LogFilter.names(), *PAGE))
    part = validated_query(PageQuery, {name: given[name] for name in PAGE if name in given})
    page = runtime().log.search(LogFilter.parse(given), part.limit, part.cursor)
    return jsonify(items=[entry.to_dict() for entry in page.items], next_cursor=page.next_cursor)


@blueprint.get("/logs/<log_id>")
@scoped("logs:read")
@documented("Read an attempt", "Logs", answers={200: LogDetail}, problems=(404,))
def show(log_id: str) -> Response:
    """Headers and bodies, redacted before they were stored, need the scope `logs:read_payload` as well."""
    query_parameters(())
    key = number(log_id)
    entry = runtime().log.get(key) if key is not None else None
    if entry is None:
        raise Problem("NOT_FOUND", Message.of(N_("There is no such attempt.")))
    if not caller().may("logs:read_payload"):
        return jsonify(entry.to_dict())
    bodies = runtime().log.bodies(entry.log_id) or Bodies()
    return jsonify(entry.to_dict() | bodies.to_dict())
