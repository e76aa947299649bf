"""The tab of a service that people link accounts of: how many, in which state, what fails, and asking them to sign in again."""

from __future__ import annotations

from flask import Blueprint, Response, abort, url_for
from flask_babel import ngettext

from adapters.kit import Message, N_
from webapp import links
from webapp.accounts.roles import Verb
from webapp.engine.code_help import every_code
from webapp.extensions import db, runtime
from webapp.links.reading import CONTRACT
from webapp.models.service import Service
from webapp.web.access import actor, requires
from webapp.web.hx import notify
from webapp.web.page import page
from webapp.web.service_pages import about, go, load
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("service_links", __name__, url_prefix="/settings/integrations")


@blueprint.get("/<service_id>/links")
@requires(Verb.SERVICE_READ)
def show(service_id: str) -> Response:
    """The links of one service by state, and why renewals fail."""
    service = _load(service_id)
    found = links.links_of_service(db.session(), service.service_id)
    return page("links/show.html", **about(service), links=found, why=why)


@blueprint.post("/<service_id>/links/ask-again")
@requires(Verb.SERVICE_WRITE)
@step_up
def ask_again(service_id: str) -> Response:
    """Ask everybody who linked an account of this service to sign in again."""
    take_only(())
    service = _load(service_id)
    count = links.request_reauthorisation(db.session(), runtime(), service.service_id, actor=actor())
    db.session.commit()
    notify(
        ngettext(
            "%(num)s person is asked to sign in again; the link goes on working until then.",
            "%(num)s people are asked to sign in again; their links go on working until then.",
            count,
        )
    )
    return go(url_for(".show", service_id=service_id))


def why(code: str) -> str | Message:
    """What a code of the taxonomy means, in a sentence."""
    known = every_code().get(code)
    return known.title if known else Message.of(N_("The provider answered %(code)s."), code=code)


def _load(service_id: str) -> Service:
    service = load(service_id)
    return service if service.contract == CONTRACT else abort(404)
