"""The secrets of a service in their three stages: in use, next, previous."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, jsonify

from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, no_body, only, query_parameters, validated
from webapp.api.conditional import expected_revision, tagged
from webapp.api.credential_schemas import CredentialList, CredentialOut, ExpiryIn, NextIn, PromoteIn
from webapp.api.schemas import ServiceOut, TestOut
from webapp.api.service_json import members
from webapp.api.spec import documented
from webapp.api.switches import report_json
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import expiry, services, staging, standby
from webapp.registry.credential_shape import credentials_of

blueprint = area("secrets")


@blueprint.get("/services/<service_id>/secrets")
@scoped("services:read")
@documented("List the secrets of a service", "Secrets", answers={200: CredentialList}, problems=(404, 422))
def index(service_id: str) -> Response:
    """When each was set, when it ends, what waits and what stands by. Values are never told."""
    query_parameters(())
    service = services.find(db.session(), service_id)
    return jsonify(items=credentials_of(db.session(), runtime(), service), next_cursor=None)


@blueprint.patch("/services/<service_id>/secrets/<name>")
@scoped("services:write")
@documented(
    "Say when a secret ends", "Secrets", body=ExpiryIn, answers={200: CredentialOut}, problems=(404, 422)
)
def change(service_id: str, name: str) -> Response:
    """For the value in use. A JWT and a certificate say it themselves when they are stored."""
    body = json_object()
    only(body, ("expires_at",))
    wanted = validated(ExpiryIn, body)
    service = services.find(db.session(), service_id)
    ends = expiry.parse_moment(wanted.expires_at, "/expires_at")
    expiry.set_expiry(db.session(), runtime(), service, name, ends, actor=caller().actor)
    db.session.commit()
    return _one(service, name)


@blueprint.put("/services/<service_id>/secrets/<name>/next")
@scoped("services:write")
@documented(
    "Enter the next value",
    "Secrets",
    body=NextIn,
    answers={200: CredentialOut},
    problems=(404, 422, 501, 503),
)
def stage(service_id: str, name: str) -> Response:
    """It waits, sealed, and nothing uses it. Another value that waited is wiped."""
    wanted = validated(NextIn, json_object())
    service = services.find(db.session(), service_id)
    staging.stage_next(
        db.session(),
        runtime(),
        service,
        name,
        wanted.value,
        actor=caller().actor,
        settings=wanted.configurations,
        expires_at=expiry.parse_moment(wanted.expires_at, "/expires_at"),
    )
    db.session.commit()
    return _one(service, name)


@blueprint.delete("/services/<service_id>/secrets/<name>/next")
@scoped("services:write")
@documented("Discard the next value", "Secrets", answers={204: None}, problems=(404,))
def discard(service_id: str, name: str) -> Response:
    """It is wiped."""
    service = services.find(db.session(), service_id)
    staging.discard_next(db.session(), runtime(), service, name, actor=caller().actor)
    db.session.commit()
    return Response(status=204)


@blueprint.post("/services/<service_id>/secrets/<name>/next/test")
@scoped("services:test")
@documented("Test the next value", "Secrets", answers={200: TestOut}, problems=(404, 422, 429, 501))
def test(service_id: str, name: str) -> Response:
    """The staged test with the next value in the place of the one in use. Nothing is sent, nothing is spent."""
    no_body()
    service = services.find(db.session(), service_id)
    db.session.close()
    return jsonify(report_json(staging.test_next(runtime(), service, name, actor=caller().actor)))


@blueprint.post("/services/<service_id>/secrets/<name>/promote")
@scoped("services:write")
@documented(
    "Promote the next value",
    "Secrets",
    body=PromoteIn,
    body_required=False,
    answers={200: ServiceOut},
    problems=(404, 412, 422, 501, 503),
    headers=("IfMatch",),
)
def promote(service_id: str, name: str) -> Response:
    """Calls use it from now on, as a new revision.

    Until the grace is over, a call whose credential is refused tries the value before, once.
    """
    wanted = validated(PromoteIn, json_object(optional=True))
    service = services.find(db.session(), service_id)
    staging.promote(
        db.session(),
        runtime(),
        service,
        name,
        actor=caller().actor,
        origin="api",
        grace=timedelta(hours=wanted.grace_hours),
        note=wanted.note,
        expected_revision=expected_revision(service.revision),
    )
    db.session.commit()
    return tagged(members(service), service.revision)


@blueprint.delete("/services/<service_id>/secrets/<name>/previous")
@scoped("services:write")
@documented("Wipe the previous value", "Secrets", answers={204: None}, problems=(404,))
def wipe(service_id: str, name: str) -> Response:
    """At once, without waiting for the end of its grace."""
    service = services.find(db.session(), service_id)
    standby.wipe_previous(db.session(), runtime(), service, name, actor=caller().actor)
    db.session.commit()
    return Response(status=204)


def _one(service: Service, name: str) -> Response:
    found = credentials_of(db.session(), runtime(), service)
    return jsonify(next(one for one in found if one["name"] == name))
