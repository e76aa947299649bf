"""Incidents and maintenance windows."""

from __future__ import annotations

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query, query_parameters, validated
from webapp.api.health_schemas import (
    IncidentOut,
    IncidentPage,
    IncidentQuery,
    NoteIn,
    WindowList,
    WindowOut,
)
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.monitor import handling, windows
from webapp.monitor.incidents import timeline
from webapp.monitor.windows import WindowFields

blueprint = area("incidents")


@blueprint.get("/incidents")
@scoped("health:read")
@documented("List incidents", "Incidents", query=IncidentQuery, answers={200: IncidentPage}, problems=(422,))
def index() -> Response:
    """Newest first; those that last have no `closed_at`."""
    wanted = query(IncidentQuery)
    found = handling.incidents(
        db.session(), service_id=wanted.service_id, limit=wanted.limit + 1, before=wanted.cursor
    )
    items = found[: wanted.limit]
    cursor = items[-1].incident_id if len(found) > wanted.limit else None
    return jsonify(items=[handling.to_dict(one) for one in items], next_cursor=cursor)


@blueprint.get("/incidents/<incident_id>")
@scoped("health:read")
@documented("Read an incident", "Incidents", answers={200: IncidentOut}, problems=(404,))
def show(incident_id: str) -> Response:
    """With its timeline."""
    incident = handling.find(db.session(), incident_id)
    return jsonify(handling.to_dict(incident, timeline(db.session(), incident_id)))


@blueprint.post("/incidents/<incident_id>/acknowledge")
@scoped("services:test")
@documented("Acknowledge an incident", "Incidents", answers={200: IncidentOut}, problems=(404, 422))
def acknowledge(incident_id: str) -> Response:
    """Somebody looks after it: reminders stop. Twice is once."""
    no_body()
    incident = handling.find(db.session(), incident_id)
    handling.acknowledge(db.session(), runtime(), incident, actor=caller().actor)
    db.session.commit()
    return jsonify(handling.to_dict(incident))


@blueprint.post("/incidents/<incident_id>/notes")
@scoped("services:test")
@documented(
    "Write a note on an incident", "Incidents", body=NoteIn, answers={200: IncidentOut}, problems=(404, 422)
)
def note(incident_id: str) -> Response:
    """It stays in the timeline."""
    text = validated(NoteIn, json_object()).note
    incident = handling.find(db.session(), incident_id)
    handling.write_note(db.session(), runtime(), incident, text, actor=caller().actor)
    db.session.commit()
    return jsonify(handling.to_dict(incident, timeline(db.session(), incident_id)))


@blueprint.get("/maintenance")
@scoped("health:read")
@documented("List maintenance windows", "Maintenance", answers={200: WindowList})
def maintenance() -> Response:
    """What is planned and under way, then what is over."""
    query_parameters(())
    now = runtime().clock.now()
    return jsonify(
        items=[windows.to_dict(one, now) for one in windows.listed(db.session(), now)], next_cursor=None
    )


@blueprint.post("/maintenance")
@scoped("services:write")
@documented(
    "Plan a maintenance window", "Maintenance", body=WindowFields, answers={201: WindowOut}, problems=(422,)
)
def plan() -> ResponseReturnValue:
    """Once, or at the same hours of each day, week or month. Two windows over one service may not overlap."""
    window = windows.create(db.session(), runtime(), json_object(), actor=caller().actor)
    db.session.commit()
    return jsonify(windows.to_dict(window, runtime().clock.now())), 201


@blueprint.get("/maintenance/<window_id>")
@scoped("health:read")
@documented("Read a maintenance window", "Maintenance", answers={200: WindowOut}, problems=(404,))
def window(window_id: str) -> Response:
    """With the time that is open, or the one that comes."""
    found = windows.find(db.session(), window_id)
    return jsonify(windows.to_dict(found, runtime().clock.now()))


@blueprint.post("/maintenance/<window_id>/skip")
@scoped("services:write")
@documented("Leave one time out", "Maintenance", answers={200: WindowOut}, problems=(404, 422))
def skip(window_id: str) -> Response:
    """Of a window that repeats: ends the time that is open, or leaves the next one out. The others stay."""
    no_body()
    found = windows.skip(db.session(), runtime(), window_id, actor=caller().actor)
    db.session.commit()
    return jsonify(windows.to_dict(found, runtime().clock.now()))


@blueprint.delete("/maintenance/<window_id>")
@scoped("services:write")
@documented("End a maintenance window", "Maintenance", answers={204: None}, problems=(404,))
def end(window_id: str) -> Response:
    """Now and for good, or before it began."""
    windows.end(db.session(), runtime(), window_id, actor=caller().actor)
    db.session.commit()
    return Response(status=204)
