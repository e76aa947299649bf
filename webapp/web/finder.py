"""Go to anything by its name: pages, services, routes, providers to add, calls. A page of its own, and a dialog on every page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from flask import Blueprint, Response, request, url_for
from flask_babel import gettext
from sqlalchemy import or_, select

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.route import Route
from webapp.models.service import Service
from webapp.web import nav
from webapp.web.access import may, requires
from webapp.web.i18n import say
from webapp.web.page import page

blueprint = Blueprint("finder", __name__, url_prefix="/find")

_LONGEST = 120
_MOST = 6  # of one kind
_CALL = re.compile(r"\d{15,19}")
_CORRELATION = re.compile(r"[\w.:-]{8,120}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One place to go to; `note` tells it from others of its name."""

    label: str
    url: str
    icon: str
    note: str = ""


@blueprint.get("")
@requires(Verb.SERVICE_READ)
def index() -> Response:
    """List what fits; without words the pages."""
    q = request.args.get("q", "").strip()[:_LONGEST].replace("\x00", "")
    return page("ui/finder.html", "hits", q=q, hits=list(_hits(q)))


def _hits(q: str) -> Iterator[Hit]:
    """Services first: there are more of them than of anything else, and they are what one looks for."""
    sources: tuple[Callable[[str], Iterator[Hit]], ...] = (_services, _routes, _pages, _calls, _providers)
    for source in sources if q else (_pages,):
        yield from islice(source(q), _MOST if q else None)


def _services(q: str) -> Iterator[Hit]:
    named = or_(
        *(column.icontains(q, autoescape=True) for column in (Service.service_name, Service.service_type))
    )
    query = select(Service.service_id, Service.service_name, Service.service_type).where(
        Service.deleted_at.is_(None), named
    )
    rows = db.session.execute(query.order_by(Service.name_key).limit(_MOST)).all()
    for row in rows:
        address = url_for("integrations.show", service_id=row.service_id)
        yield Hit(row.service_name, address, "plug", row.service_type)
    if len(rows) == 1:
        yield from _about(rows[0].service_id, rows[0].service_name)


def _about(service_id: str, name: str) -> Iterator[Hit]:
    """Where one goes next when only one service is meant."""
    yield Hit(
        gettext("Health of %(name)s", name=name),
        url_for("integrations.health", service_id=service_id),
        "pulse",
    )
    if may(Verb.LOG_READ):
        yield Hit(
            gettext("Calls of %(name)s", name=name), url_for("logs.index", service_id=service_id), "list"
        )
    if may(Verb.SERVICE_WRITE):
        yield Hit(
            gettext("Settings of %(name)s", name=name),
            url_for("integrations.edit", service_id=service_id),
            "gear",
        )


def _routes(q: str) -> Iterator[Hit]:
    query = (
        select(Route.name, Route.contract)
        .where(Route.name.icontains(q, autoescape=True))
        .order_by(Route.name)
    )
    for row in db.session.execute(query.limit(_MOST)):
        yield Hit(row.name, url_for("routes.show", name=row.name), "route", row.contract)


def _pages(q: str) -> Iterator[Hit]:
    seen: set[str] = set()
    entries = [*nav.places(), *(place for _, places in nav.settings_places() for place in places)]
    for place in entries:
        label, lead = say(place.label), say(place.lead) if place.lead else ""
        if place.url not in seen and _fits(q, f"{label} {lead} {place.label}"):
            seen.add(place.url)
            yield Hit(label, place.url, place.icon, lead)


def _calls(q: str) -> Iterator[Hit]:
    if not may(Verb.LOG_READ):
        return
    if _CALL.fullmatch(q):
        yield Hit(gettext("Call %(number)s", number=q), url_for("logs.show", call_id=int(q)), "list")
    elif _CORRELATION.fullmatch(q) and any(character.isdigit() for character in q):
        yield Hit(
            gettext("Calls with the correlation id %(id)s", id=q),
            url_for("logs.index", correlation_id=q),
            "list",
        )
    yield Hit(gettext("Search the call log for “%(words)s”", words=q), url_for("logs.index", q=q), "search")


def _providers(q: str) -> Iterator[Hit]:
    if not may(Verb.SERVICE_WRITE):
        return
    for entry in runtime().catalog.entries():
        if entry.adapter and _fits(q, f"{entry.label} {gettext(entry.label)} {entry.service_type}"):
            address = url_for("integrations.new", service_type=entry.service_type)
            yield Hit(
                gettext("Add %(provider)s", provider=gettext(entry.label)),
                address,
                "plus",
                entry.service_type,
            )


def _fits(q: str, text: str) -> bool:
    text = text.casefold()
    return all(word in text for word in q.casefold().split())
