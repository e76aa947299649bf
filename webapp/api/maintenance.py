"""Maintenance windows."""

from __future__ import annotations

from flask import Response, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, query_parameters
from webapp.api.conditional import expected_revision
from webapp.api.health_schemas import WindowList, WindowOut
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.maintenance import MaintenanceWindow
from webapp.monitor import windows
from webapp.monitor.window_fields import WindowFields

blueprint = area("maintenance")


@blueprint.get("/maintenance")
@scoped("health:read")
@documented("List maintenance windows", "Maintenance", answers={200: WindowList})
def index() -> Response:
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
    response = _told(window, 201)
    response.headers["Location"] = url_for("api_maintenance.show", window_id=window.window_id)
    return response


@blueprint.get("/maintenance/<window_id>")
@scoped("health:read")
@documented(
    "Read a maintenance window",
    "Maintenance",
    answers={200: WindowOut},
    problems=(404, 412),
    headers=("IfMatch",),
)
def show(window_id: str) -> Response:
    """With the time that is open, or the one that comes. The ETag names the revision of what was set."""
    window = windows.find(db.session(), window_id)
    expected_revision(window.revision)
    return _told(window)


@blueprint.put("/maintenance/<window_id>")
@scoped("services:write")
@documented(
    "Replace a maintenance window",
    "Maintenance",
    body=WindowFields,
    answers={200: WindowOut},
    problems=(404, 412, 422),
    headers=("IfMatch",),
)
def replace(window_id: str) -> Response:
    """All of it, planned or open; one that is over stays as it was."""
    body = json_object()
    seen = expected_revision(windows.find(db.session(), window_id).revision)
    window = windows.change(
        db.session(), runtime(), window_id, body, actor=caller().actor, expected_revision=seen
    )
    db.session.commit()
    return _told(window)


@blueprint.post("/maintenance/<window_id>/skip")
@scoped("services:write")
@documented(
    "Leave one time out",
    "Maintenance",
    answers={200: WindowOut},
    problems=(404, 412, 422),
    headers=("IfMatch",),
)
def skip(window_id: str) -> Response:
    """Of a window that repeats: ends the time that is open, or leaves the next one out. The others stay."""
    no_body()
    seen = expected_revision(windows.find(db.session(), window_id).revision)
    window = windows.skip(db.session(), runtime(), window_id, actor=caller().actor, expected_revision=seen)
    db.session.commit()
    return _told(window)


@blueprint.delete("/maintenance/<window_id>")
@scoped("services:write")
@documented(
    "End a maintenance window", "Maintenance", answers={204: None}, problems=(404, 412), headers=("IfMatch",)
)
def end(window_id: str) -> Response:
    """Now and for good, or before it began."""
    seen = expected_revision(windows.find(db.session(), window_id).revision)
    windows.end(db.session(), runtime(), window_id, actor=caller().actor, expected_revision=seen)
    db.session.commit()
    return Response(status=204)


def _told(window: MaintenanceWindow, status: int = 200) -> Response:
    """A window with its revision, never as unchanged: the time that comes changes without a new one."""
    response = jsonify(windows.to_dict(window, runtime().clock.now()))
    response.status_code = status
    response.set_etag(str(window.revision))
    response.headers["Cache-Control"] = "no-store"
    return response
