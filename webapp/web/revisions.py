"""Compare two revisions of a service, and go back to one after seeing what that changes."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.revision import ServiceRevision
from webapp.models.service import Service
from webapp.registry import restoring
from webapp.registry.compare import compare, plain_of
from webapp.registry.errors import AdapterMissing, NotFound, RegistryError
from webapp.registry.history import revision
from webapp.web.access import actor, requires
from webapp.web.comparison import FATES, label_of, lines
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_overview import specs_of
from webapp.web.service_pages import about, load
from webapp.web.step_up import step_up

blueprint = Blueprint("revisions", __name__, url_prefix="/settings/integrations/<service_id>/history")
PREFIX = "config-"


@blueprint.get("/compare")
@requires(Verb.SERVICE_READ)
def choose(service_id: str) -> ResponseReturnValue:
    """Lead from the two choices of the history to their comparison."""
    old, new = request.args.get("a", type=int), request.args.get("b", type=int)
    if not old or not new:
        return redirect(url_for("integrations.history", service_id=load(service_id).service_id), 303)
    return redirect(url_for(".differences", service_id=service_id, older=old, newer=new), 303)


@blueprint.get("/<int(max=999999999):older>..<int(max=999999999):newer>")
@requires(Verb.SERVICE_READ)
def differences(service_id: str, older: int, newer: int) -> Response:
    """Field by field what is different in the second."""
    service = load(service_id)
    old, new = _revision(service, older), _revision(service, newer)
    found = compare(db.session(), old, new, _secret_names(service))
    raw = [(one.number, _raw(one, service)) for one in (old, new)]
    shown = lines(found, specs_of(service))
    return page("revisions/compare.html", **about(service), old=old, new=new, lines=shown, raw=raw)


@blueprint.get("/<int(max=999999999):number>/restore")
@requires(Verb.SERVICE_WRITE)
def ask(service_id: str, number: int) -> Response:
    """What going back would change, and the button that does it."""
    return _question(load(service_id), number)


@blueprint.post("/<int(max=999999999):number>/restore")
@requires(Verb.SERVICE_WRITE)
@step_up
def restore(service_id: str, number: int) -> ResponseReturnValue:
    """Go back, as a new revision, then offer the test."""
    service = load(service_id)
    try:
        _restore(service, number)
    except NotFound:
        db.session.rollback()
        abort(404)
    except RegistryError as refusal:
        db.session.rollback()
        return _question(load(service_id), number, refusal)
    text = N_("%(name)s is as it was in revision %(number)s. Test it before you rely on it.")
    notify(Message.of(text, name=service.service_name, number=number))
    return redirect(url_for("integrations.show", service_id=service_id), 303)


def _restore(service: Service, number: int) -> None:
    typed = {name: request.form.get(PREFIX + name, "") for name in _secret_names(service)}
    restoring.restore(
        db.session(),
        runtime(),
        service,
        number,
        actor=actor(),
        values={name: value for name, value in typed.items() if value},
        clear=request.form.getlist("clear"),
        note=request.form.get("note", "").strip() or None,
        expected_revision=request.form.get("revision", 0, type=int),
    )
    db.session.commit()


def _question(service: Service, number: int, refusal: RegistryError | None = None) -> Response:
    try:
        seen = restoring.preview(db.session(), runtime(), service, number)
    except NotFound:
        abort(404)
    except AdapterMissing as missing:
        return page(
            "revisions/impossible.html", None, 422, **about(service), number=number, reason=missing.message
        )
    context: dict[str, Any] = about(service) | _told(service, seen)
    if refusal:
        context["errors"] = {flaw.field: say(flaw.message) for flaw in refusal.errors}
        context["summary"] = [(f"f-{flaw.field}", say(flaw.message)) for flaw in refusal.errors] or [
            ("", say(refusal.message))
        ]
    return page("revisions/restore.html", None, 422 if refusal else 200, **context)


def _told(service: Service, seen: restoring.Preview) -> dict[str, Any]:
    """The comparison without secrets, then each secret with what becomes of it."""
    specs = {spec.name: spec for spec in specs_of(service)}
    plain = [change for change in seen.changes if not change.secret]
    secrets = [
        (name, label_of(name, specs), fate, FATES[fate], specs[name]) for name, fate in seen.secrets.items()
    ]
    return {
        "seen": seen,
        "lines": lines(plain, list(specs.values())),
        "secrets": secrets,
        "errors": {},
        "summary": [],
        "note": request.form.get("note", ""),
    }


def _revision(service: Service, number: int) -> ServiceRevision:
    try:
        return revision(db.session(), service.service_id, number)
    except NotFound:
        abort(404)


def _secret_names(service: Service) -> frozenset[str]:
    return frozenset(spec.name for spec in specs_of(service) if spec.kind == "secret")


def _raw(one: ServiceRevision, service: Service) -> str:
    shown = plain_of(one.snapshot, _secret_names(service)) | {"secrets": sorted(one.secrets)}
    return json.dumps(shown, indent=2, ensure_ascii=False, sort_keys=True)
