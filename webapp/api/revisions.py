"""The history of a service: list, read, compare, go back."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, query, query_parameters, validated
from webapp.api.conditional import expected_revision, tagged
from webapp.api.history_schemas import ComparisonOut, RestoreRequest
from webapp.api.schemas import PageQuery, RevisionOut, RevisionPage, ServiceOut
from webapp.api.service_json import members
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.models.revision import ServiceRevision
from webapp.models.service import Service
from webapp.registry import compare, history, restoring, services
from webapp.registry.drafts import secret_specs
from webapp.registry.errors import Flaw, Invalid, NotFound
from webapp.registry.shape import moment

blueprint = area("revisions")
MAX_DIGITS = 9


@blueprint.get("/services/<service_id>/revisions")
@scoped("services:read")
@documented("List revisions", "Revisions", query=PageQuery, answers={200: RevisionPage}, problems=(404, 422))
def index(service_id: str) -> Response:
    """Every save made one; the newest first. Secrets are named, never shown."""
    wanted = query(PageQuery)
    service = services.find(db.session(), service_id)
    found = history.revisions(
        db.session(), service.service_id, limit=wanted.limit + 1, before=_place(wanted.cursor)
    )
    page, more = found[: wanted.limit], len(found) > wanted.limit
    items = [_members(one, service) for one in page]
    return jsonify(items=items, next_cursor=str(page[-1].number) if more else None)


@blueprint.get("/services/<service_id>/revisions/<number>")
@scoped("services:read")
@documented("Read a revision", "Revisions", answers={200: RevisionOut}, problems=(404,))
def show(service_id: str, number: str) -> Response:
    """What was stored after this save."""
    service = services.find(db.session(), service_id)
    return jsonify(_members(_revision(service, number), service))


@blueprint.get("/services/<service_id>/revisions/<older>..<newer>")
@scoped("services:read")
@documented("Compare two revisions", "Revisions", answers={200: ComparisonOut}, problems=(404, 422))
def differences(service_id: str, older: str, newer: str) -> Response:
    """What is different in the second, in either order. Of secrets it says only whether they changed."""
    query_parameters(())
    service = services.find(db.session(), service_id)
    old, new = _revision(service, older), _revision(service, newer)
    found = compare.compare(db.session(), old, new, _secret_names(service))
    return jsonify(old=old.number, new=new.number, changes=[change.to_dict() for change in found])


@blueprint.post("/services/<service_id>/revisions/<number>/restore")
@scoped("services:write")
@documented(
    "Go back to a revision",
    "Revisions",
    body=RestoreRequest,
    body_required=False,
    answers={200: ServiceOut},
    problems=(404, 409, 412, 422, 501, 503),
    headers=("IfMatch",),
)
def restore(service_id: str, number: str) -> Response:
    """Stores its settings again, as a new revision; the service stays on or off.

    Where that changes the destination, or a secret of that time is not held any more, send the secrets along.
    """
    wanted = validated(RestoreRequest, json_object(optional=True))
    service = services.find(db.session(), service_id)
    _restore(service, _revision(service, number).number, wanted)
    db.session.commit()
    return tagged(members(service), service.revision)


def _restore(service: Service, number: int, wanted: RestoreRequest) -> None:
    given = {name: value for name, value in wanted.configurations.items() if value is not None}
    restoring.restore(
        db.session(),
        runtime(),
        service,
        number,
        actor=caller().actor,
        values=given,
        clear=wanted.configurations.keys() - given.keys(),
        note=wanted.note,
        expected_revision=expected_revision(service.revision),
    )


def _revision(service: Service, number: str) -> ServiceRevision:
    if not _is_number(number):
        raise NotFound(Message.of(N_("There is no such revision.")))
    return history.revision(db.session(), service.service_id, int(number))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


def _place(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not _is_number(cursor):
        message = Message.of(N_("This cursor does not belong to this list."))
        raise Invalid([Flaw.at("cursor", code="invalid", message=message)])
    return int(cursor)


def _secret_names(service: Service) -> frozenset[str]:
    entry = runtime().catalog.get(service.service_type)
    return frozenset(secret_specs(entry)) if entry else frozenset()


def _members(revision: ServiceRevision, service: Service) -> dict[str, Any]:
    tested = {"at": moment(revision.tested_at), "verdict": revision.tested_verdict}
    return {
        "number": revision.number,
        "created_at": moment(revision.created_at),
        "actor": revision.actor,
        "origin": revision.origin,
        "note": revision.note,
        "snapshot": compare.plain_of(revision.snapshot, _secret_names(service)),
        "secrets": sorted(revision.secrets),
        "tested": tested if revision.tested_at else None,
    }
