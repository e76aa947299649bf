"""Linking an account: the way to the provider, and the address at which people come back.

It begins with a link, not with a form: a browser that may only send forms to us would not follow a redirect elsewhere.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flask import Blueprint, abort, current_app, redirect, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from webapp import links
from webapp.extensions import runtime
from webapp.links import Linked, LinkRefused
from webapp.web.access import person, signed_in
from webapp.web.hx import htmx, notify, respond
from webapp.web.i18n import say
from webapp.web.page import page
from webapp.web.security import safe_next

blueprint = Blueprint("link_flow", __name__, url_prefix="/my/accounts")

PAGE = "/my"
_BROWSER = "links_browser"
_REFUSED = "link_refused"
_OWN = {None, "same-origin", "none"}
_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an account was not linked, in the words of its owner; `service_id` is there where another try may help."""

    text: str
    tone: str
    service_id: str | None


@blueprint.get("/<service_id>/start")
@signed_in
def start(service_id: str) -> BaseResponse:
    """Go to the provider; only from a page of our own."""
    if request.headers.get("Sec-Fetch-Site") not in _OWN:
        abort(403)
    choice = request.args.get("choice", "")
    try:
        address = links.start(
            runtime(), person().user_id, service_id, browser=_browser(), redirect_uri=redirect_uri(service_id),
            target=safe_next(request.args.get("next")) or PAGE,
            choice=choice if choice and set(choice) <= _HEX_DIGITS else None,
        )  # fmt: skip
    except LinkRefused as refused:
        return _refuse(refused)
    return respond(Redirect=address) if htmx else redirect(address, 303)


@blueprint.get("/<service_id>/back")
@signed_in
def back(service_id: str) -> BaseResponse | str:
    """Take what the provider sends back with the person."""
    answer = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
    if len(answer) != len(request.args):
        abort(400)
    try:
        linked = links.finish(
            runtime(), person().user_id, service_id, browser=session.get(_BROWSER, ""), answer=answer
        )
    except LinkRefused as refused:
        return _ask(refused) if refused.code == "other_account" else _refuse(refused)
    _welcome(linked)
    return redirect(safe_next(linked.target) or PAGE, 303)


def redirect_uri(service_id: str) -> str:
    """The address that has to be registered at the provider, to the letter."""
    base = (runtime().config.base_url or request.host_url).rstrip("/")
    return base + url_for("link_flow.back", service_id=service_id)


def _browser() -> str:
    """A secret of this browser session, made with the first link."""
    if _BROWSER not in session:
        session[_BROWSER] = secrets.token_urlsafe(32)
    found: str = session[_BROWSER]
    return found


def _welcome(linked: Linked) -> None:
    sentences = {
        "linked": gettext("%(account)s is linked.", account=linked.account_label),
        "renewed": gettext("%(account)s is connected again.", account=linked.account_label),
        "changed": gettext(
            "%(account)s is linked now, in place of the other account.", account=linked.account_label
        ),
    }
    notify(sentences[linked.outcome])
    if linked.missing:
        notify(
            gettext("You did not allow everything that was asked for; some features may not work."), "warn"
        )


def _ask(refused: LinkRefused) -> BaseResponse | str:
    """The person came back with another account than the linked one: nothing changes before they say so."""
    return page("links/choose.html", refused=refused, home=safe_next(refused.target) or PAGE)


def refusal() -> Refusal | None:
    """What went wrong on the way to a provider and back, told once; the page of linked accounts asks."""
    kept = session.pop(_REFUSED, None)
    return Refusal(*kept) if kept else None


def _refuse(refused: LinkRefused) -> BaseResponse:
    """Say in plain words that it did not work; the reason is for whoever reads the log."""
    current_app.logger.warning("An account was not linked: %s (%s)", refused.code, refused.reason)
    target, tone = safe_next(refused.target) or PAGE, "warn" if refused.code == "denied" else "bad"
    if target == PAGE:
        again = refused.service_id if refused.code != "not_offered" else None
        session[_REFUSED] = [say(refused.message), tone, again]
    else:
        notify(refused.message, tone)
    return redirect(target, 303)
