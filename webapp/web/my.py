"""My linked accounts: what each may do and what used it; connect, sign in again, disconnect, take one's data along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, redirect, url_for
from flask import session as browser
from flask_babel import get_locale
from werkzeug.wrappers import Response as BaseResponse

from adapters.kit import Message
from webapp import links
from webapp.extensions import db, runtime
from webapp.links import Ended, LinkView, Permission
from webapp.links.past import Past, manage_page, past, recent
from webapp.models.service import Service
from webapp.web.access import actor, person, signed_in
from webapp.web.i18n import say
from webapp.web.link_flow import refusal
from webapp.web.page import page
from webapp.web.step_up import step_up
from webapp.web.strict import take_only

blueprint = Blueprint("my", __name__, url_prefix="/my")

_ENDED = "links_ended"
_USES_SHOWN = 400
_TOLD_AT_MOST = 30  # they wait in the browser's session, which is small
PROTOCOLS = frozenset({"OAUTH_PROVIDER_OIDC"})  # types whose label is a protocol and says nothing to people


@dataclass(frozen=True, slots=True)
class Farewell:
    """A link that was ended a moment ago, and what the provider made of it."""

    link: Past
    at_provider: str


@blueprint.get("")
@signed_in
def index() -> Response:
    """What needs attention, what is connected, what could be."""
    session, user_id = db.session(), person().user_id
    found = links.links_of(session, runtime(), user_id)
    offers = links.available(session, runtime(), user_id)
    return page(
        "my/index.html",
        attention=[link for link in found if link.needs_attention],
        connected=[link for link in found if not link.needs_attention],
        offers=offers,
        names=_names(found) | _names(offers),
        ended=recent(session, runtime(), user_id),
        farewells=_farewells(user_id),
        refusal=refusal(),
        **_words(),
    )


@blueprint.get("/links/<link_id>")
@signed_in
def show(link_id: str) -> Response:
    """What used one link, day by day."""
    link = _own(link_id)
    uses = links.usage_of(db.session(), link_id, _USES_SHOWN)
    return page("my/usage.html", link=link, uses=uses, limit=_USES_SHOWN)


@blueprint.post("/links/<link_id>/seen")
@signed_in
def seen(link_id: str) -> BaseResponse:
    """The notices about a link are read and need not be shown again."""
    take_only(())
    _own(link_id)
    links.acknowledge(db.session(), runtime(), link_id, person().user_id)
    db.session.commit()
    return redirect(url_for(".index", _anchor=f"link-{link_id}"), 303)


@blueprint.get("/links/<link_id>/disconnect")
@signed_in
def ask_disconnect(link_id: str) -> BaseResponse:
    """Say what stops working, and ask."""
    link = _own(link_id)
    if link.ended_at is not None:
        return redirect(url_for(".index"), 303)
    points = {use.point for use in links.usage_of(db.session(), link_id) if use.point}
    service = db.session.get_one(Service, link.service_id)
    return page(
        "my/disconnect.html", link=link, points=sorted(points), manage_url=manage_page(runtime(), service)
    )


@blueprint.post("/links/<link_id>/disconnect")
@signed_in
def disconnect(link_id: str) -> BaseResponse:
    """End a link here and at the provider; the page says how the provider answered."""
    take_only(())
    user_id, name = person().user_id, actor()
    db.session.rollback()  # nothing stays open while the provider is asked
    _tell([links.disconnect(runtime(), link_id, actor=name, user_id=user_id) or abort(404)])
    return redirect(url_for(".index"), 303)


@blueprint.get("/disconnect-all")
@signed_in
def ask_disconnect_all() -> BaseResponse:
    """Name what would end, and ask."""
    found = links.links_of(db.session(), runtime(), person().user_id)
    return page("my/disconnect_all.html", links=found) if found else redirect(url_for(".index"), 303)


@blueprint.post("/disconnect-all")
@signed_in
def disconnect_all() -> BaseResponse:
    """End every link of this person."""
    take_only(())
    user_id, name = person().user_id, actor()
    db.session.rollback()
    _tell(links.disconnect_all(runtime(), user_id, actor=name))
    return redirect(url_for(".index"), 303)


@blueprint.get("/data.json")
@signed_in
@step_up
def download() -> Response:
    """Everything that is kept about this person's links, as a file."""
    found = links.download(db.session(), runtime(), person().user_id)
    response = Response(json.dumps(found, ensure_ascii=False, indent=2) + "\n", mimetype="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="linked-accounts.json"'
    return response


def _own(link_id: str) -> LinkView:
    return links.link_of(db.session(), runtime(), link_id, person().user_id) or abort(404)


def _names(services: Sequence[LinkView] | Sequence[links.Offer]) -> dict[str, str]:
    return {one.service_id: one.service_name for one in services}


def _tell(ended: Sequence[Ended]) -> None:
    """Keep for the next page how each provider answered; those that need a step of the person come first."""
    by_need = sorted(ended, key=lambda one: one.at_provider == "revoked")
    browser[_ENDED] = [[one.link_id, one.at_provider] for one in by_need[:_TOLD_AT_MOST]]


def _farewells(user_id: str) -> list[Farewell]:
    answers = dict(browser.pop(_ENDED, ()))
    gone = past(db.session(), runtime(), user_id, list(answers)) if answers else ()
    return [Farewell(link, answers[link.link_id]) for link in gone]


def _words() -> dict[str, Any]:
    """How templates say a permission, and whether the name of a provider says something to people."""
    locale = str(get_locale() or "en")
    return {
        "plain": lambda permission: _plain(permission, locale),
        "known_as": lambda link: "" if _says_nothing(link) else link.provider,
    }


def _plain(permission: Permission, locale: str) -> str:
    message: Message = permission.in_words(locale)
    return say(message)


def _says_nothing(link: LinkView | links.Offer) -> bool:
    return link.service_type in PROTOCOLS or link.provider.casefold() in link.service_name.casefold()
