"""Incidents."""

from __future__ import annotations

from flask import Response, jsonify

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query, validated
from webapp.api.health_schemas import (
    IncidentOut,
    IncidentPage,
    IncidentQuery,
    NoteIn,
)
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.monitor import handling
from webapp.monitor.incidents import timeline

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
