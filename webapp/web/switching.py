"""Enable, disable, delete, bring back and duplicate services, one by one or several at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.service import Service, name_key
from webapp.registry import services
from webapp.registry.errors import Conflict, Invalid, NotFound, RegistryError
from webapp.registry.switches import untested
from webapp.web.access import actor, may, requires
from webapp.web.hx import notify
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_lines import Filters
from webapp.web.service_pages import ORIGIN, about, load

blueprint = Blueprint("switching", __name__, url_prefix="/settings/integrations")
_MOST_AT_ONCE = 200


@blueprint.post("/<service_id>/enable")
@requires(Verb.SERVICE_SWITCH)
def enable(service_id: str) -> ResponseReturnValue:
    """Let calls use a service; an untested one is enabled with a warning."""
    service = load(service_id)
    if (refusal := _attempt(services.enable, service)) is not None:
        return _refused(service_id, refusal)
    text, tone = N_("%(name)s is enabled."), "ok"
    if untested(service):
        text, tone = N_("%(name)s is enabled, although its settings were not tested with success."), "warn"
    notify(Message.of(text, name=service.service_name), tone, undo=url_for(".disable", service_id=service_id))
    return _back(service_id)


@blueprint.get("/<service_id>/disable")
@requires(Verb.SERVICE_SWITCH)
def ask_disable(service_id: str) -> ResponseReturnValue:
    """What disabling would change, and the button that does it."""
    return page("integrations/confirm.html", **about(load(service_id)), action="disable")


@blueprint.post("/<service_id>/disable")
@requires(Verb.SERVICE_SWITCH)
def disable(service_id: str) -> ResponseReturnValue:
    """Keep calls away from a service."""
    service = load(service_id)
    if (refusal := _attempt(services.disable, service)) is not None:
        return _refused(service_id, refusal)
    message = Message.of(N_("%(name)s is disabled. No call uses it any more."), name=service.service_name)
    notify(message, undo=url_for(".enable", service_id=service_id))
    return _back(service_id)


@blueprint.get("/<service_id>/delete")
@requires(Verb.SERVICE_WRITE)
def ask_delete(service_id: str) -> ResponseReturnValue:
    """What deleting would change, and the button that does it."""
    return page("integrations/confirm.html", **about(load(service_id)), action="delete")


@blueprint.post("/<service_id>/delete")
@requires(Verb.SERVICE_WRITE)
def delete(service_id: str) -> ResponseReturnValue:
    """Take a service away; it can be brought back."""
    service = load(service_id)
    name = service.service_name
    if (refusal := _attempt(services.delete, service)) is not None:
        return _refused(service_id, refusal)
    notify(
        Message.of(N_("%(name)s was deleted."), name=name), undo=url_for(".restore", service_id=service_id)
    )
    return redirect(url_for("integrations.index"), 303)


@blueprint.post("/<service_id>/restore")
@requires(Verb.SERVICE_WRITE)
def restore(service_id: str) -> ResponseReturnValue:
    """Undo a deletion."""
    try:
        service = services.restore_deleted(db.session(), runtime(), service_id, actor=actor(), origin=ORIGIN)
        db.session.commit()
    except NotFound:
        db.session.rollback()  # it holds the lock under which the session of this browser is saved
        abort(404)
    except Conflict as refusal:
        db.session.rollback()
        notify(refusal.message, "bad")
        return redirect(url_for("integrations.index"), 303)
    notify(Message.of(N_("%(name)s is back, as it was."), name=service.service_name))
    return _back(service_id)


@blueprint.post("/<service_id>/duplicate")
@requires(Verb.SERVICE_WRITE)
def duplicate(service_id: str) -> ResponseReturnValue:
    """Copy a service without its secrets, and open the copy's settings."""
    service = load(service_id)
    try:
        copy = services.duplicate(
            db.session(), runtime(), service, name=_free_name(service), actor=actor(), origin=ORIGIN
        )
        db.session.commit()
    except RegistryError as refusal:
        db.session.rollback()
        return _refused(service_id, refusal)
    notify(N_("This is the copy. Secrets are never copied: enter them, then test."), "info")
    return redirect(url_for("integrations.edit", service_id=copy.service_id), 303)


@blueprint.post("/bulk")
@requires(Verb.SERVICE_SWITCH)
def bulk() -> ResponseReturnValue:
    """Enable or disable the chosen services; each that refuses says why, the others go ahead."""
    wanted = request.form.getlist("service_id")[:_MOST_AT_ONCE]
    switch = {"enable": services.enable, "disable": services.disable}.get(request.form.get("action", ""))
    if switch is None:
        abort(400)
    done = sum(_switch_one(switch, service_id) for service_id in wanted)
    if done:
        text = N_("Enabled: %(count)s.") if switch is services.enable else N_("Disabled: %(count)s.")
        notify(Message.of(text, count=done))
    elif not wanted:
        notify(N_("Choose services first."), "warn")
    return redirect(Filters.read(request.args).url(), 303)


def _switch_one(switch: Callable[..., Any], service_id: str) -> bool:
    service = db.session.get(Service, service_id)
    if service is None or service.is_deleted:
        return False
    refusal = _attempt(switch, service)
    if refusal is None:
        return True
    notify(Message.of(N_("%(name)s: %(reason)s"), name=service.service_name, reason=_words(refusal)), "bad")
    return False


def _attempt(switch: Callable[..., Any], service: Service) -> RegistryError | None:
    """Do it and commit; what the registry refuses is answered, and nothing is kept of it."""
    try:
        switch(db.session(), runtime(), service, actor=actor(), origin=ORIGIN)
        db.session.commit()
    except RegistryError as refusal:
        db.session.rollback()
        return refusal
    return None


def _refused(service_id: str, refusal: RegistryError) -> ResponseReturnValue:
    """Say why not; settings that are missing are mended in the form."""
    notify(_words(refusal), "bad")
    if isinstance(refusal, Invalid) and may(Verb.SERVICE_WRITE):
        return redirect(url_for("integrations.edit", service_id=service_id), 303)
    return _back(service_id)


def _words(refusal: RegistryError) -> str:
    found = [f"{flaw.field}: {say(flaw.message)}" for flaw in refusal.errors]
    return " ".join([say(refusal.message), *found])


def _back(service_id: str) -> ResponseReturnValue:
    """To where the button was: the list with its filters, or the service."""
    if request.form.get("from") == "list":
        return redirect(Filters.read(request.args).url(), 303)
    return redirect(url_for("integrations.show", service_id=service_id), 303)


def _free_name(service: Service) -> str:
    """The first name of the form `Mail (copy 2)` that nobody uses."""
    taken = set(db.session.scalars(select(Service.name_key).where(Service.deleted_at.is_(None))))
    text, start = N_("%(name)s (copy %(number)s)"), service.service_name[:100]
    names = (say(Message.of(text, name=start, number=number)) for number in count(1))
    return next(name for name in names if name_key(name) not in taken)
