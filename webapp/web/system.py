"""The System page: the keys that protect secrets, what depends on each, and the steps of replacing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.keystore import KeyJob
from webapp.models.secret import Kek
from webapp.models.service import Service
from webapp.state import counts_apart
from webapp.vault import KeyRefused, KeyStepRefused, ProviderError, audit, export, jobs, lifecycle, rotation
from webapp.vault.doctor import key_lines
from webapp.vault.heartbeat import living
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.page import page
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("system", __name__, url_prefix="/settings/system")

STEPS: dict[str, Callable[..., Kek]] = {
    "promote": lifecycle.promote,
    "retire": lifecycle.retire,
    "destroy": lifecycle.destroy,
}
DONE = {
    "promote": N_("The key %(mark)s is in use; data keys are being wrapped anew."),
    "retire": N_("The key %(mark)s is retired."),
    "destroy": N_("The key %(mark)s is destroyed."),
}
JOBS: dict[str, str] = {
    "rewrap": N_("Wrap data keys anew"),
    "rotate": N_("Replace data keys"),
    "reencrypt": N_("Seal secrets anew"),
    "doctor": N_("Examine all secrets"),
}
REASONS: dict[str, str] = {
    "malformed": N_("what is stored is not a sealed value"),
    "corrupt": N_("it was changed, or belongs elsewhere"),
    "unknown_key": N_("its data key does not exist"),
    "destroyed": N_("its data key was destroyed"),
    "key_missing": N_("the key that wrapped its data key is not here"),
    "unavailable": N_("the key provider does not answer"),
    "denied": N_("the key provider refuses"),
    "disabled": N_("the key is disabled at its provider"),
}


@blueprint.get("")
@requires(Verb.SYSTEM_READ)
def index() -> Response:
    """The state of the keys; polled while a job runs."""
    return page("system/index.html", "state", **_state())


@blueprint.post("/keys")
@requires(Verb.KEY_MANAGE)
@step_up
def add() -> BaseResponse:
    """Make or register a further key."""
    take_only(set())
    return _taken(
        lambda: lifecycle.add(db.session(), runtime(), actor=actor()), N_("The key %(mark)s is ready.")
    )


@blueprint.post("/keys/<kek_id>/<step>")
@requires(Verb.KEY_MANAGE)
@step_up
def take(kek_id: str, step: str) -> BaseResponse:
    """Take the next step in the life of a key."""
    take_only(set())
    if step not in STEPS:
        abort(404)
    return _taken(lambda: _step(kek_id, step), DONE[step])


@blueprint.post("/jobs/<kind>")
@requires(Verb.KEY_MANAGE)
@step_up
def start(kind: str) -> BaseResponse:
    """Have the background do a job; the page shows how far it is."""
    take_only(set())
    if kind not in JOBS:
        abort(404)
    if runtime().vault.state().locked and kind != "doctor":
        return _told(runtime().vault.state().message, "bad")
    jobs.start(db.session(), runtime(), kind, actor=actor())
    db.session.commit()
    return redirect(url_for(".index"), 303)


@blueprint.post("/keys/export")
@requires(Verb.KEY_MANAGE)
@step_up
def export_keys() -> BaseResponse:
    """Hand the local keys out as a file under a passphrase."""
    take_only({"passphrase", "again"})
    phrase = request.form.get("passphrase", "")
    if phrase != request.form.get("again", ""):
        return _told(Message.of(N_("The two passphrases differ.")), "bad")
    try:
        return _download(export.export_keys(runtime().config, phrase))
    except (KeyStepRefused, KeyRefused) as refused:
        return _told(_message(refused), "bad")


@blueprint.app_context_processor
def _helpers() -> dict[str, object]:
    return {"vault_state": runtime().vault.state}


def _state() -> dict[str, Any]:
    session, now = db.session(), runtime().clock.now()
    recent, processes = jobs.latest(session), living(session, now)
    return {
        "vault": runtime().vault.state(),
        "keys": key_lines(session, runtime()),
        "retired": {kek.id: kek.retired_at for kek in lifecycle.keks(session)},
        "grace": timedelta(days=runtime().config.key_grace_days),
        "now": now,
        "processes": processes,
        "counts_apart": counts_apart(runtime().config, (process.host for process in processes)),
        "users": Counter(mark for process in processes for mark in process.fingerprints),
        "jobs": recent,
        "running": [job for job in recent if job.state in ("waiting", "running")],
        "older": rotation.left(session, "reencrypt", now),
        "job_labels": JOBS,
        "provider": runtime().config.key_provider,
        "journal": runtime().recorder.backlog(),
        "lag_s": runtime().ledger.lag_s(now),
        **_findings(next((job for job in jobs.latest(session, "doctor") if _report(job)), None)),
    }


def _report(job: KeyJob | None) -> dict[str, Any] | None:
    return (job.detail or {}).get("report") if job else None


def _findings(visit: KeyJob | None) -> dict[str, Any]:
    """What the doctor found last, with the names of the services that need their secrets again."""
    report = _report(visit) or {}
    ids = {bad["owner_id"] for bad in report.get("unreadable", []) if bad["owner_type"] == "service"}
    names = {service_id: db.session.get(Service, service_id) for service_id in ids}
    return {
        "visit": visit,
        "report": report,
        "reasons": REASONS,
        "services": {key: service.service_name for key, service in names.items() if service},
    }


def _step(kek_id: str, step: str) -> Kek:
    known = db.session.get(Kek, kek_id)
    if known is None:
        abort(404)
    kek = STEPS[step](db.session(), runtime(), known.id, actor=actor())
    if step == "promote":
        jobs.start(db.session(), runtime(), "rewrap", actor=actor())
    return kek


def _taken(work: Callable[[], Kek], done: str) -> BaseResponse:
    """Do a step and say what became of it; a refused one changes nothing."""
    try:
        kek = work()
        db.session.commit()
    except (KeyStepRefused, KeyRefused, ProviderError) as refused:
        db.session.rollback()
        return _told(_message(refused), "bad")
    return _told(Message.of(done, mark=kek.fingerprint), "ok")


def _message(refused: Exception) -> Message:
    if isinstance(refused, KeyStepRefused):
        return refused.message
    return Message.of(N_("That did not work: %(why)s"), why=str(refused))


def _told(message: Message | None, tone: str) -> BaseResponse:
    if message:
        notify(message, tone)
    return redirect(url_for(".index"), 303)


def _download(text: str) -> Response:
    audit.append(db.session(), runtime(), actor=actor(), action="key.exported", target="keystore")
    db.session.commit()
    response = make_response(text)
    response.headers.update(
        {
            "Content-Type": "application/json",
            "Content-Disposition": "attachment; filename=patchbay-keys.json",
            "Cache-Control": "no-store",
        }
    )
    return response
