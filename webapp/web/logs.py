"""The call log: find a call, and see everything that happened in it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, render_template, request
from flask_babel import gettext

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.log import views
from webapp.log.entries import CallEntry
from webapp.log.language import term
from webapp.log.language_fields import FIELDS
from webapp.log.language_services import Services
from webapp.web import log_call, log_replay
from webapp.web.access import person, requires
from webapp.web.hx import htmx
from webapp.web.i18n import number
from webapp.web.log_lines import by_day
from webapp.web.log_results import NEWS_MOST, newer, newest, results, step_length, wider
from webapp.web.log_search import (
    RANGES,
    LogSearch,
    export_url,
    filtered_url,
    outcome_choices,
    service_choices,
    url_with,
)
from webapp.web.log_suggest import suggestions
from webapp.web.page import page

blueprint = Blueprint("logs", __name__, url_prefix="/logs")


@blueprint.get("")
@requires(Verb.LOG_READ)
def index() -> Response:
    """List attempts, newest first; the URL is the search, and the call that is open beside it."""
    if htmx.wants_fragment and htmx.target_id == "drawer":
        return page("logs/index.html", "drawer", **_drawer())
    if htmx.wants_fragment and htmx.target_id == "rows":
        return _tail()
    if htmx.wants_fragment and htmx.target_id == "tail-news":
        return _news()
    search = _search()
    found = results(search)
    shown = {"found": found, "rows": found.page, "choices": service_choices(search, found.page.items)}
    context = {**_drawer(), **_shared(search), **shown}
    return page("logs/index.html", "results", status=503 if found.broken else 200, **context)


@blueprint.get("/<int:call_id>")
@requires(Verb.LOG_READ)
def show(call_id: int) -> Response:
    """Show one call: its outcome, why each candidate was used or skipped, and every attempt."""
    call = _call(str(call_id))
    if call is None:
        abort(404)
    return page("logs/show.html", **_of_call(log_call.context(call)))


@blueprint.get("/suggestions")
@requires(Verb.LOG_READ)
def suggest() -> Response:
    """Texts that continue what is being typed."""
    services = Services.known(db.session())
    found = suggestions(request.args.get("q", ""), services)
    return Response(render_template("logs/_suggestions.html", suggestions=found))


def _search() -> LogSearch:
    return LogSearch.from_url(runtime().clock.now(), Services.known(db.session()))


def _tail() -> Response:
    """The newest rows, or nothing when they are those that the page has."""
    search = _search()
    if not newer(search, request.args.get("newest", "")) and request.args.get("newest"):
        return Response(status=204)
    found = newest(search)
    return page("logs/index.html", "rows", rows=found, **_shared(search))


def _news() -> Response:
    """How many attempts came since the newest that the page has, for somebody who reads meanwhile."""
    count = newer(_search(), request.args.get("newest", ""))
    told = gettext("%(count)s+", count=number(NEWS_MOST)) if count > NEWS_MOST else number(count)
    return Response(render_template("logs/_news.html", count=count, told=told, log_url=url_with))


def _shared(search: LogSearch) -> dict[str, Any]:
    """What the list and its parts need."""
    return {
        "search": search,
        "services": search.services.names,
        "by_day": by_day,
        "tail": "tail" in request.args,
        "ranges": RANGES,
        "outcomes": outcome_choices(),
        "fields": FIELDS,
        "filtered_url": filtered_url,
        "log_url": url_with,
        "export_url": export_url,
        "step_length": step_length,
        "wider": wider(search.filter),
        "views": views.visible(db.session(), f"user:{person().user_id}"),
        "suggestions": suggestions(search.value("q"), search.services),
        "retention": runtime().config,
    }


def _drawer() -> dict[str, Any]:
    """The call that is open beside the list, if there is one."""
    call = _call(request.args.get("open", ""))
    return (
        _of_call(log_call.context(call))
        if call
        else {"call": None, "gone": "open" in request.args, "log_url": url_with}
    )


def _call(given: str) -> CallEntry | None:
    """The call with this number; None for what is no number of a call."""
    is_number = given.isascii() and given.isdigit() and int(given[:20]) < 2**63
    return runtime().log.call(int(given)) if is_number else None


def _of_call(context: dict[str, Any]) -> dict[str, Any]:
    names = Services.known(db.session()).names
    return {
        **context,
        **log_replay.context(context["call"]),
        "services": names,
        "filtered_url": filtered_url,
        "filter_term": term,
        "log_url": url_with,
    }
