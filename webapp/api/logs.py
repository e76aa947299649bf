"""The call log: search it, read one attempt, take a search along."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, stream_with_context

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import query_parameters, validated_query
from webapp.api.call_schemas import LogDetail, LogPage, LogQuery
from webapp.api.identifiers import number
from webapp.api.log_schemas import LogExportQuery
from webapp.api.problems import Problem
from webapp.api.schemas import PageQuery
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.log import export as exporting
from webapp.log.entries import Bodies
from webapp.log.filters import LogFilter
from webapp.log.language_services import Services
from webapp.log.survey import MOST
from webapp.vault import audit

blueprint = area("logs")
PAGE = tuple(PageQuery.model_fields)


@blueprint.get("/logs")
@scoped("logs:read")
@documented("Search the log", "Logs", query=LogQuery, answers={200: LogPage}, problems=(422,))
def index() -> Response:
    """Attempts, the newest first; every filter must hold, and `q` takes the language of the log page."""
    given = query_parameters((*LogFilter.names(), *PAGE, "count"))
    asked = validated_query(LogQuery, {name: given[name] for name in (*PAGE, "count") if name in given})
    wanted = LogFilter.parse(given, Services.known(db.session()))
    page = runtime().log.search(wanted, asked.limit, asked.cursor)
    members: dict[str, Any] = {
        "items": [entry.to_dict() for entry in page.items],
        "next_cursor": page.next_cursor,
    }
    if page.unreadable:
        members["unreadable_days"] = [day.isoformat() for day in page.unreadable]
    return jsonify(members | ({"count": _count(wanted)} if asked.count else {}))


@blueprint.get("/logs/export")
@scoped("logs:read")
@documented(
    "Export attempts",
    "Logs",
    query=LogExportQuery,
    answers={200: "text/csv, application/x-ndjson"},
    problems=(422,),
)
def export() -> Response:
    """A stream of at most 100,000 attempts, the newest first, without what was sent and received; it is audited."""
    given = query_parameters((*LogFilter.names(), "format", "limit"))
    asked = validated_query(
        LogExportQuery, {name: given[name] for name in ("format", "limit") if name in given}
    )
    wanted = LogFilter.parse(given, Services.known(db.session()))
    detail = {"format": asked.format, "search": exporting.told(wanted), "at_most": asked.limit}
    audit.append(
        db.session(), runtime(), actor=caller().actor, action="logs.export", target="logs", detail=detail
    )
    db.session.commit()
    lines = exporting.lines(asked.format, runtime().log.search, wanted, asked.limit)
    return Response(stream_with_context(lines), content_type=exporting.TYPES[asked.format])


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
    return jsonify(entry.to_dict() | bodies.to_dict() | {"bodies_unreadable": bodies.unreadable})


def _count(wanted: LogFilter) -> str:
    log = runtime().log
    found = log.count(wanted.conditions(log.hash_recipient), MOST, since=wanted.from_, until=wanted.to)
    return f"{MOST}+" if found > MOST else str(found)
