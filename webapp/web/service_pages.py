"""What the pages of one service share: finding it, its form, and the answers when the registry refuses."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, abort, redirect, request

from adapters.kit import Entry
from webapp.extensions import db, runtime
from webapp.models.health import ServiceHealth
from webapp.models.service import Service
from webapp.registry import services
from webapp.registry.assemble import usable
from webapp.registry.errors import AdapterMissing, NotFound, RegistryError
from webapp.registry.search import secrets_of
from webapp.registry.shape import unreadable_fields
from webapp.web import service_lines
from webapp.web.hx import htmx, respond
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.service_form import ServiceForm
from webapp.web.service_overview import dependents_of, specs_of

ORIGIN = "ui"


def load(service_id: str) -> Service:
    """The service of this address; 404 when there is none."""
    try:
        return services.find(db.session(), service_id)
    except NotFound:
        abort(404)


def entry_of(service_type: str) -> Entry:
    """The adapter of this address; 404 when it cannot be used."""
    try:
        return usable(runtime(), service_type)
    except AdapterMissing:
        abort(404)


def about(service: Service) -> dict[str, Any]:
    """What every tab of a service shows."""
    line = service_lines.line_of(service, db.session.get(ServiceHealth, service.service_id))
    return {"service": service, "line": line, "dependents": dependents_of(service)}


def new_form(service_type: str) -> ServiceForm:
    """An empty form for one adapter."""
    adapter = entry_of(service_type).adapter
    assert adapter is not None
    return ServiceForm(adapter.Config.specs())


def edit_form(service: Service) -> ServiceForm:
    """The form of a stored service; while its adapter is missing, only what every service has can be changed."""
    secrets = secrets_of(db.session(), service)
    return ServiceForm(
        specs_of(service),
        service=service,
        secrets=secrets,
        unreadable=unreadable_fields(db.session(), runtime(), service.secrets),
        replacing=request.args.getlist("replace"),
    )


def form_page(
    form: ServiceForm, service_type: str, service: Service | None = None, status: int = 200, **more: Any
) -> Response:
    """The page of a form, or only the form when htmx asked."""
    context = {"form": form, "entry": runtime().catalog.get(service_type), "service": service, **more}
    if service is not None:
        context |= about(service)
    return page("integrations/form.html", "form", status, **context)


def refused(
    form: ServiceForm, refusal: RegistryError, service_type: str, service: Service | None = None
) -> Response:
    """The form again, each finding at its field; what has no field stands in the summary."""
    form.refuse(refusal.errors)
    if not refusal.errors:
        form.form.form_errors.append(say(refusal.message))
    db.session.rollback()
    return form_page(form, service_type, service, 422)


def go(url: str) -> Response:
    """On to another page after a form was saved; htmx is told, because it would swap the page into the form."""
    if htmx.wants_fragment:
        return respond(redirect=url)
    return cast("Response", redirect(url, 303))
