"""Integrations: the list of services, and each service's overview, settings, health and history."""

from __future__ import annotations

from flask import Blueprint, Response, request, url_for
from flask_babel import format_percent, gettext

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine.codes import code_of
from webapp.extensions import db, runtime
from webapp.models.service import Service
from webapp.registry import services
from webapp.registry.errors import RegistryError, Stale
from webapp.registry.history import revisions
from webapp.web import service_conflict
from webapp.web.access import actor, may, requires
from webapp.web.common_fields import only_given
from webapp.web.health_view import service_health
from webapp.web.hx import notify
from webapp.web.overview_figures import RANGE_LABELS
from webapp.web.page import page
from webapp.web.service_form import ServiceForm
from webapp.web.service_history import ORIGINS, changes
from webapp.web.service_lines import listing
from webapp.web.service_overview import overview_of, specs_of
from webapp.web.service_pages import (
    ORIGIN,
    about,
    edit_form,
    form_page,
    go,
    load,
    new_form,
    refused,
)
from webapp.web.step_up import require_step_up
from webapp.web.strict import take_only

blueprint = Blueprint("integrations", __name__, url_prefix="/settings/integrations")
_REVISIONS_A_PAGE = 50


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """All services by what they can do; the address holds the filters."""
    return page("integrations/index.html", "results", **listing(request.args))


@blueprint.get("/new/<service_type>")
@requires(Verb.SERVICE_WRITE)
def new(service_type: str) -> Response:
    """An empty form for one adapter."""
    return form_page(new_form(service_type), service_type)


@blueprint.post("/new/<service_type>")
@requires(Verb.SERVICE_WRITE)
def create(service_type: str) -> Response:
    """Store a new service, disabled, and go to its overview, which names the next step."""
    form = new_form(service_type)
    try:
        service = _create(form, service_type)
    except RegistryError as refusal:
        return refused(form, refusal, service_type)
    notify(
        Message.of(
            N_("%(name)s was added. It stays disabled until you enable it."), name=service.service_name
        )
    )
    return go(url_for(".show", service_id=service.service_id))


@blueprint.get("/<service_id>")
@requires(Verb.SERVICE_READ)
def show(service_id: str) -> Response:
    """One service on one screen."""
    service = load(service_id)
    range_ = request.args.get("range")
    run = "test" in request.args and may(Verb.SERVICE_TEST)
    return page(
        "integrations/show.html",
        **about(service),
        overview=overview_of(service, range_),
        ranges=RANGE_LABELS,
        run=run,
    )


@blueprint.get("/<service_id>/edit")
@requires(Verb.SERVICE_READ)
def edit(service_id: str) -> Response:
    """The settings of a service; those who may not change them see them locked."""
    service = load(service_id)
    return form_page(edit_form(service), service.service_type, service)


@blueprint.post("/<service_id>/edit")
@requires(Verb.SERVICE_WRITE)
def save(service_id: str) -> Response:
    """Store changed settings, unless something is wrong or somebody was faster."""
    service = load(service_id)
    form = edit_form(service)
    try:
        _update(form, service)
    except Stale:
        db.session.rollback()
        return service_conflict.conflict(form, load(service_id))
    except RegistryError as refusal:
        return refused(form, refusal, service.service_type, service)
    notify(Message.of(N_("%(name)s was saved."), name=service.service_name))
    return go(url_for(".show", service_id=service_id))


@blueprint.get("/<service_id>/health")
@requires(Verb.SERVICE_READ)
def health(service_id: str) -> Response:
    """What the scheduled checks found."""
    service, args = load(service_id), request.args
    found = service_health(
        service, args.get("range", "24h"), args.get("cursor", type=int), args.get("failed") == "1"
    )
    return page("integrations/health.html", **about(service), **found)


@blueprint.get("/<service_id>/history")
@requires(Verb.SERVICE_READ)
def history(service_id: str) -> Response:
    """Every save, newest first."""
    service = load(service_id)
    before = request.args.get("cursor", type=int)
    found = revisions(db.session(), service_id, limit=_REVISIONS_A_PAGE + 1, before=before)
    shown = changes(found, specs_of(service))[:_REVISIONS_A_PAGE]
    cursor = shown[-1].revision.number if len(found) > len(shown) else None
    return page(
        "integrations/history.html", **about(service), changes=shown, next_cursor=cursor, first=before
    )


@blueprint.app_template_filter("percent")
def percent(share: float) -> str:
    """A share between 0 and 1 in the reader's notation."""
    return str(format_percent(share, "0.##%"))


@blueprint.app_template_filter("origin")
def origin(name: str) -> str:
    """Where a change was made, in words."""
    return gettext(ORIGINS[name]) if name in ORIGINS else name


@blueprint.app_template_global("title_of")
def title_of(code: str) -> str:
    """The msgid of what a code means."""
    return code_of(code).title


def _check(form: ServiceForm) -> None:
    """Take only what the form shows, and ask who it is before a secret is stored or taken out."""
    take_only({field.short_name for field in form.form} | {"clear"} | service_conflict.names(form), {"clear"})
    service_conflict.settle(form)
    if form.touches_secrets:
        require_step_up()


def _create(form: ServiceForm, service_type: str) -> Service:
    _check(form)
    values = only_given(form.values())
    service = services.create(
        db.session(),
        runtime(),
        name=values.pop("service_name", ""),
        service_type=service_type,
        configurations=values.pop("configurations"),
        actor=actor(),
        origin=ORIGIN,
        mode="form",
        **values,
    )
    db.session.commit()
    return service


def _update(form: ServiceForm, service: Service) -> None:
    _check(form)
    values = form.values()
    if not form.specs:
        del values["configurations"]  # its adapter is missing: nobody can say what its settings mean
    services.update(
        db.session(),
        runtime(),
        service,
        values,
        actor=actor(),
        origin=ORIGIN,
        note=form.note,
        expected_revision=form.base_revision,
        mode="form",
        clear=form.clear,
    )
    db.session.commit()
