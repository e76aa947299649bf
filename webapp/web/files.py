"""Files: services and routes to take along, and a file looked at before it is applied."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.registry.errors import Flaw, Invalid, RegistryError
from webapp.registry.files import apply as files
from webapp.registry.files.export import MEDIA_TYPE, export
from webapp.registry.files.plan import Plan
from webapp.registry.files.text import MOST_BYTES
from webapp.vault.passphrase import LEAST
from webapp.web.access import actor, requires
from webapp.web.file_plan import described
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_pages import go
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("files", __name__, url_prefix="/settings/files")
SECRET = "secret-"  # noqa: S105 - the beginning of the name of a field
REFERENCE = "!ref "
KINDS = {"service": N_("Integration"), "route": N_("Route")}


@blueprint.get("")
@requires(Verb.SERVICE_WRITE)
def index() -> Response:
    """Take a file along, or bring one."""
    return _index()


@blueprint.get("/patchbay.yaml")
@requires(Verb.SERVICE_WRITE)
def download() -> Response:
    """Services and routes with a stub for each secret."""
    return _file(export(db.session(), runtime()))


@blueprint.post("/sealed")
@requires(Verb.SERVICE_WRITE)
@step_up
def download_sealed() -> ResponseReturnValue:
    """The same with the secrets, under a passphrase."""
    take_only({"passphrase", "again"})
    passphrase = request.form.get("passphrase", "")
    if passphrase != request.form.get("again", ""):
        return _index(422, [("f-again", say(Message.of(N_("The two passphrases differ."))))])
    try:
        text = export(db.session(), runtime(), actor=actor(), passphrase=passphrase)
    except Invalid as invalid:
        return _index(422, [("f-passphrase", say(flaw.message)) for flaw in invalid.errors])
    db.session.commit()
    return _file(text)


@blueprint.get("/plan")
@requires(Verb.SERVICE_WRITE)
def start_again() -> ResponseReturnValue:
    """A plan belongs to a file that was sent; without one, begin."""
    return redirect(url_for(".index"), 303)


@blueprint.post("/plan")
@requires(Verb.SERVICE_WRITE)
def look() -> ResponseReturnValue:
    """What the file would change; nothing is stored."""
    take_only({"document", "file-passphrase"})
    try:
        text = _sent()
        plan = files.dry_run(db.session(), runtime(), text, actor=actor(), passphrase=_passphrase())
    except RegistryError as refusal:
        return _index(422, _summary(refusal), document=request.form.get("document", ""))
    return _plan_page(plan, text)


@blueprint.post("/apply")
@requires(Verb.SERVICE_WRITE)
@step_up
def apply() -> ResponseReturnValue:
    """Store what was seen; when something stands in the way, show it and store nothing."""
    text = _document(request.form.get("document", ""))
    how = {
        "actor": actor(),
        "given": _given(),
        "overwrite": request.form.getlist("overwrite"),
        "passphrase": _passphrase(),
    }
    try:
        done = _store(text, how)
    except RegistryError as refusal:
        return _refused(text, how, refusal)
    notify(Message.of(_DONE, created=done.count("create"), updated=done.count("update")))
    return go(url_for("integrations.index"))


_DONE = N_("The file is applied: %(created)s added, %(updated)s changed.")


def _store(text: str, how: dict[str, Any]) -> Plan:
    note = request.form.get("note", "").strip()
    if not note:
        raise Invalid([Flaw("/note", "missing", Message.of(N_("Say why: it stands in every history.")))])
    plan = files.apply(db.session(), runtime(), text, note=note, plan=request.form.get("plan", ""), **how)
    db.session.commit()
    return plan


def _refused(text: str, how: dict[str, Any], refusal: RegistryError) -> Response:
    """The plan as it is now, with what stood in the way above it."""
    db.session.rollback()
    try:
        plan = files.dry_run(db.session(), runtime(), text, **how)
    except RegistryError as worse:
        return _index(422, _summary(worse), document=text)
    own = [("f-note", say(flaw.message)) for flaw in refusal.errors if flaw.pointer == "/note"]
    summary = own or ([("", say(refusal.message))] if plan.ok else [])
    return _plan_page(plan, text, 422, summary)


def _plan_page(
    plan: Plan, text: str, status: int = 200, summary: list[tuple[str, str]] | None = None
) -> Response:
    """What the file would change; `summary` is given when it could not be applied."""
    shown = described(plan)
    if summary is not None:
        summary = [*summary, *(error for one in shown for error in one.errors)]
    return page(
        "files/plan.html",
        "plan",
        status,
        plan=plan,
        document=text,
        steps=shown,
        summary=summary or [],
        chosen=request.form.getlist("overwrite"),
        note=request.form.get("note", ""),
        is_sealed="!sealed" in text,
        kind_labels=KINDS,
    )


def _index(status: int = 200, summary: list[tuple[str, str]] | None = None, document: str = "") -> Response:
    return page(
        "files/index.html", None, status, summary=summary or [], document=document, least=LEAST,
        most_kib=MOST_BYTES // 1024,
    )  # fmt: skip


def _summary(refusal: RegistryError) -> list[tuple[str, str]]:
    if not refusal.errors:
        return [("", say(refusal.message))]
    return [
        ("f-document", f"{flaw.pointer}: {say(flaw.message)}" if flaw.pointer else say(flaw.message))
        for flaw in refusal.errors
    ]


def _sent() -> str:
    """The file that was sent, else the text that was pasted. Raises Invalid."""
    sent = request.files.get("file")
    if not sent or not sent.filename:
        return _document(request.form.get("document", ""))
    try:
        return _document(sent.stream.read(MOST_BYTES + 1).decode("utf-8"))
    except UnicodeDecodeError:
        raise Invalid([Flaw("", "not_utf8", Message.of(N_("This file is not UTF-8.")))]) from None


def _document(text: str) -> str:
    """A text as it was before a form carried it: browsers send every end of a line as two characters."""
    return text.replace("\r\n", "\n")


def _passphrase() -> str | None:
    return request.form.get("file-passphrase") or None


def _given() -> dict[str, dict[str, Any]]:
    """The secrets that were typed beside the plan: `secret-NAME/SERVICE`."""
    given: dict[str, dict[str, Any]] = {}
    for field, values in request.form.lists():
        if field.startswith(SECRET):
            name, _, service = field.removeprefix(SECRET).partition("/")
            if len(values) > 1:
                abort(400)
            if values[0]:
                given.setdefault(service, {})[name] = _typed(values[0])
        elif field not in _FIELDS:
            abort(422)
    return given


_FIELDS = frozenset({"csrf_token", "document", "plan", "note", "overwrite", "file-passphrase"})


def _typed(value: str) -> Any:
    """A secret, or where it is kept."""
    return {"$ref": value.removeprefix(REFERENCE).strip()} if value.startswith(REFERENCE) else value


def _file(text: str) -> Response:
    response = make_response(text)
    response.headers.update(
        {
            "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
            "Content-Disposition": "attachment; filename=patchbay.yaml",
            "Cache-Control": "no-store",
        }
    )
    return response
