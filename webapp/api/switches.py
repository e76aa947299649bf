"""What is done to a service: enable, disable, test."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from adapters.kit import Stage
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, validated
from webapp.api.conditional import expected_revision, tagged
from webapp.api.problems import say
from webapp.api.schemas import ServiceOut, TestOut, TestRequest
from webapp.api.service_json import members
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import services, switches, testing
from webapp.registry.assemble import usable
from webapp.registry.drafts import Draft

blueprint = area("switches")


@blueprint.post("/services/<service_id>/enable")
@scoped("services:write")
@documented(
    "Enable a service",
    "Services",
    answers={200: ServiceOut},
    problems=(404, 409, 412, 422, 501, 503),
    headers=("IfMatch",),
)
def enable(service_id: str) -> Response:
    """Calls may use it from now on. `warnings` says `untested` when what is stored was not tested."""
    no_body()
    service = services.find(db.session(), service_id)
    expected = expected_revision(service.revision)
    services.enable(
        db.session(), runtime(), service, actor=caller().actor, origin="api", expected_revision=expected
    )
    db.session.commit()
    warnings = ["untested"] if switches.untested(service) else []
    return tagged(members(service) | {"warnings": warnings}, service.revision)


@blueprint.post("/services/<service_id>/disable")
@scoped("services:write")
@documented(
    "Disable a service", "Services", answers={200: ServiceOut}, problems=(404, 412), headers=("IfMatch",)
)
def disable(service_id: str) -> Response:
    """Calls no longer use it."""
    no_body()
    service = services.find(db.session(), service_id)
    expected = expected_revision(service.revision)
    services.disable(
        db.session(), runtime(), service, actor=caller().actor, origin="api", expected_revision=expected
    )
    db.session.commit()
    return tagged(members(service), service.revision)


@blueprint.post("/services/<service_id>/test-connection")
@scoped("services:test")
@documented(
    "Test a service",
    "Services",
    body=TestRequest,
    body_required=False,
    answers={200: TestOut},
    problems=(404, 422, 429, 501),
)
def test_connection(service_id: str) -> Response:
    """Staged and live, at most 15 seconds, ten times a minute. Nothing is sent and no money is spent."""
    body = json_object(optional=True)
    service = services.find(db.session(), service_id)
    draft = _draft(service, validated(TestRequest, body).configurations) if body else None
    # The test takes seconds: no connection to the database is kept meanwhile.
    db.session.close()
    return jsonify(report_json(testing.run(runtime(), service, draft, caller().actor)))


def report_json(report: testing.Report) -> dict[str, Any]:
    """What a test found, in the language of the request."""
    stages = [_stage(stage) for stage in report.stages]
    return {"verdict": report.verdict, "stages": stages, "duration_ms": report.duration_ms}


def _draft(service: Service, configurations: dict[str, Any]) -> Draft:
    return Draft.for_change(service, usable(runtime(), service.service_type), configurations)


def _stage(stage: Stage) -> dict[str, Any]:
    said = {"message": say(stage.message), "remedy": say(stage.remedy) if stage.remedy else None}
    return stage.to_dict() | said
