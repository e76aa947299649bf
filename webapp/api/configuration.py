"""Configuration as a file: write it, look at what it would change, apply it."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp.api.access import caller, scoped
from webapp.api.area import area
from webapp.api.bodies import json_object, query_parameters, validated
from webapp.api.file_schemas import ApplyRequest, PlanOut
from webapp.api.problems import findings
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.files import apply as files
from webapp.registry.files.export import MEDIA_TYPE
from webapp.registry.files.export import export as written
from webapp.registry.files.plan import Plan

blueprint = area("configuration")


@blueprint.get("/configuration")
@scoped("services:read")
@documented("Export services and routes", "Configuration", answers={200: MEDIA_TYPE})
def export() -> Response:
    """A YAML file for a repository: `!keep` or a reference stands in the place of each secret."""
    query_parameters(())
    return Response(written(db.session(), runtime()), mimetype=MEDIA_TYPE)


@blueprint.post("/configuration")
@scoped("services:write")
@documented(
    "Apply a file",
    "Configuration",
    body=ApplyRequest,
    answers={200: PlanOut},
    problems=(409, 412, 413, 422, 503),
)
def apply() -> Response:
    """A dry run unless `dry_run` is false. Everything in the file is stored, or nothing of it.

    What was changed elsewhere is a conflict, never overwritten unless it is named in `overwrite`. Where a
    destination changes, its secrets have to be given again. What the file does not speak of is left alone.
    """
    wanted = validated(ApplyRequest, json_object())
    if not wanted.dry_run and not (wanted.note or "").strip():
        text = Message.of(N_("This field is required."))
        raise Invalid([Flaw.at("note", code="missing", message=text)])
    plan = _carried_out(wanted)
    db.session.commit()
    return jsonify(_members(plan, applied=not wanted.dry_run))


def _carried_out(wanted: ApplyRequest) -> Plan:
    how: dict[str, Any] = {
        "actor": caller().actor,
        "given": wanted.secrets,
        "overwrite": wanted.overwrite,
        "passphrase": wanted.passphrase,
    }
    try:
        if wanted.dry_run:
            return files.dry_run(db.session(), runtime(), wanted.document, **how)
        note = wanted.note or ""
        return files.apply(db.session(), runtime(), wanted.document, note=note, plan=wanted.plan, **how)
    except Invalid as invalid:
        raise Invalid(_in_document(invalid.errors)) from None


def _in_document(found: Any) -> list[Flaw]:
    return [
        flaw if flaw.pointer == "/note" else Flaw(f"/document{flaw.pointer}", flaw.code, flaw.message)
        for flaw in found
    ]


def _members(plan: Plan, *, applied: bool) -> dict[str, Any]:
    flaws = [flaw for step in plan.steps for flaw in step.flaws]
    return {
        "applied": applied,
        "ok": plan.ok,
        "plan": plan.digest,
        "untouched": plan.untouched,
        "steps": [step.to_dict() for step in plan.steps],
        "errors": findings(_in_document(flaws)),
    }
