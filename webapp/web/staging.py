"""The secrets of a service in three stages: the one in use, the next one, the previous one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import expiry, staging, standby
from webapp.registry.credential_shape import credentials_of
from webapp.registry.errors import NotFound, RegistryError
from webapp.registry.expiry import parse_moment
from webapp.web.access import actor, requires
from webapp.web.comparison import label_of
from webapp.web.hx import htmx, notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_overview import specs_of
from webapp.web.service_pages import ORIGIN, about, load
from webapp.web.step_up import step_up
from webapp.web.strict import take_only
from webapp.web.testing import outcome

blueprint = Blueprint("staging", __name__, url_prefix="/settings/integrations/<service_id>/secrets")
GRACES = (0, 1, 24, 72, 168)
_COMPANION = "with-"


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index(service_id: str) -> Response:
    """Each secret: since when it is set, when it ends, what waits and what stands by. Never a value."""
    return _page(load(service_id))


@blueprint.post("/<name>/expiry")
@requires(Verb.SECRET_WRITE)
@step_up
def ends(service_id: str, name: str) -> ResponseReturnValue:
    """Say when the value in use ends."""
    take_only({"expires_at"})
    return _do(service_id, name, _set_expiry, N_("The end of %(secret)s was saved."))


@blueprint.post("/<name>/next")
@requires(Verb.SECRET_WRITE)
@step_up
def stage(service_id: str, name: str) -> ResponseReturnValue:
    """Seal the next value; nothing uses it yet."""
    return _do(service_id, name, _stage, N_("The next value of %(secret)s waits. Test it, then promote it."))


@blueprint.post("/<name>/next/discard")
@requires(Verb.SECRET_WRITE)
@step_up
def discard(service_id: str, name: str) -> ResponseReturnValue:
    """Wipe the next value."""
    return _do(service_id, name, _discard, N_("The next value of %(secret)s was wiped."))


@blueprint.post("/<name>/promote")
@requires(Verb.SECRET_WRITE)
@step_up
def promote(service_id: str, name: str) -> ResponseReturnValue:
    """Use the next value from now on."""
    take_only({"grace", "note"})
    return _do(service_id, name, _promote, N_("The next value of %(secret)s is in use now."))


@blueprint.post("/<name>/previous/wipe")
@requires(Verb.SECRET_WRITE)
@step_up
def wipe(service_id: str, name: str) -> ResponseReturnValue:
    """Delete the previous value before its grace is over."""
    return _do(service_id, name, _wipe, N_("The previous value of %(secret)s was wiped."))


@blueprint.post("/<name>/next/test")
@requires(Verb.SERVICE_TEST)
def test(service_id: str, name: str) -> ResponseReturnValue:
    """Test the connection with the next value."""
    service = load(service_id)
    try:
        report = staging.test_next(runtime(), service, name, actor=actor())
    except NotFound:
        abort(404)
    except RegistryError as refusal:
        notify(refusal.message, "bad")
        return redirect(url_for(".index", service_id=service_id), 303)
    context = {} if htmx.wants_fragment else about(load(service_id))
    entry = runtime().catalog.get(service.service_type)
    return page("integrations/tested.html", "result", **context, **outcome(list(report.stages)), entry=entry)


@blueprint.app_template_filter("from_json")
def from_json(text: str) -> datetime:
    """A moment out of its JSON form."""
    return datetime.fromisoformat(text)


def _do(service_id: str, name: str, work: Callable[[Service, str], None], done: str) -> ResponseReturnValue:
    """Do it and come back to the page; what the registry refuses is said there, and nothing is kept of it."""
    service = load(service_id)
    specs = {spec.name: spec for spec in specs_of(service)}
    try:
        work(service, name)
        db.session.commit()
    except NotFound:
        db.session.rollback()
        abort(404)
    except RegistryError as refusal:
        db.session.rollback()
        found = [say(flaw.message) for flaw in refusal.errors] or [say(refusal.message)]
        return _page(load(service_id), {name: " ".join(found)}, 422)
    notify(Message.of(done, secret=label_of(name, specs)))
    return redirect(url_for(".index", service_id=service_id), 303)


def _set_expiry(service: Service, name: str) -> None:
    moment = parse_moment(request.form.get("expires_at", "").strip(), "/expires_at")
    expiry.set_expiry(db.session(), runtime(), service, name, moment, actor=actor())


def _stage(service: Service, name: str) -> None:
    known = {spec.name for spec in staging.companions(specs_of(service))}
    take_only({"value", "expires_at", *(_COMPANION + one for one in known)})
    typed = {one: request.form.get(_COMPANION + one, "").strip() for one in known}
    staging.stage_next(
        db.session(),
        runtime(),
        service,
        name,
        request.form.get("value", "").replace("\r\n", "\n"),
        actor=actor(),
        settings={one: value for one, value in typed.items() if value},
        expires_at=parse_moment(request.form.get("expires_at", "").strip(), "/expires_at"),
    )


def _discard(service: Service, name: str) -> None:
    staging.discard_next(db.session(), runtime(), service, name, actor=actor())


def _promote(service: Service, name: str) -> None:
    hours = request.form.get("grace", 24, type=int)
    if hours not in GRACES:
        abort(422)
    staging.promote(
        db.session(),
        runtime(),
        service,
        name,
        actor=actor(),
        origin=ORIGIN,
        grace=timedelta(hours=hours),
        note=request.form.get("note", "").strip() or None,
    )


def _wipe(service: Service, name: str) -> None:
    standby.wipe_previous(db.session(), runtime(), service, name, actor=actor())


def _page(service: Service, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    specs = {spec.name: spec for spec in specs_of(service)}
    found = credentials_of(db.session(), runtime(), service)
    context: dict[str, Any] = {
        "secrets": [(one, label_of(one["name"], specs), specs.get(one["name"])) for one in found],
        "companions": staging.companions(list(specs.values())),
        "graces": [(hours, _words(hours)) for hours in GRACES],
        "errors": errors or {},
    }
    return page("staging/index.html", None, status, **about(service), **context)


def _words(hours: int) -> str:
    if hours == 0:
        return str(gettext("wipe it at once"))
    if hours < 72:  # noqa: PLR2004 - from three days on, days are easier to read
        return str(ngettext("%(num)s hour", "%(num)s hours", hours))
    return str(ngettext("%(num)s day", "%(num)s days", hours // 24))
