"""The call log: find a call, and see everything that happened in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, Response, abort, request
from flask_babel import format_date, to_user_timezone
from sqlalchemy import select

from adapters.kit import Message, N_
from webapp.accounts.roles import Verb
from webapp.engine.codes import CODES
from webapp.extensions import db, runtime
from webapp.log.entries import Bodies, CallEntry, LogEntry
from webapp.log.entries import Page as LogPage
from webapp.log.filters import FilterInvalid
from webapp.models.service import ThirdPartyServiceConfiguration as Service
from webapp.web.access import may, requires
from webapp.web.i18n import say
from webapp.web.log_search import LogSearch, outcome_choices, range_choices
from webapp.web.page import page

blueprint = Blueprint("logs", __name__, url_prefix="/logs")


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt of a call, as drawn: where it starts and how long it is in percent of the call."""

    entry: LogEntry
    start: float
    width: float
    bodies: Bodies | None
    error: str


@blueprint.get("")
@requires(Verb.LOG_READ)
def index() -> Response:
    """List attempts, newest first; the URL is the search."""
    search = LogSearch.from_url(runtime().clock.now())
    return page(
        "logs/index.html",
        "results",
        search=search,
        found=_found(search),
        services=_service_names(),
        by_day=_by_day,
        ranges=range_choices(),
        outcomes=outcome_choices(),
        retention=runtime().config,
    )


@blueprint.get("/<int:call_id>")
@requires(Verb.LOG_READ)
def show(call_id: int) -> Response:
    """Show one call: its outcome, why each candidate was used or skipped, and every attempt."""
    call = runtime().log.call(call_id)
    if call is None:
        abort(404)
    problem = CODES.get(call.code) if call.code else None
    return page(
        "logs/show.html",
        call=call,
        steps=_steps(call),
        services=_service_names(),
        problem=problem,
        decision=_decision,
        headers_text=_headers_text,
        pretty=_pretty,
        payloads=may(Verb.LOG_READ_PAYLOAD),
    )


def _found(search: LogSearch) -> LogPage:
    log = runtime().log
    try:
        return log.search(search.filter, cursor=request.args.get("cursor"))
    except FilterInvalid:
        return log.search(search.filter)


def _service_names() -> Mapping[str, str]:
    """Names by id, of deleted services too: their calls stay in the log."""
    rows = db.session.execute(select(Service.service_id, Service.service_name).order_by(Service.name_key))
    return {row.service_id: row.service_name for row in rows}


def _by_day(entries: Sequence[LogEntry]) -> list[tuple[str, list[LogEntry]]]:
    """Group a page of entries under the days of the reader's time zone."""
    days = groupby(entries, key=lambda entry: to_user_timezone(entry.request_timestamp).date())
    return [(format_date(day, "full", rebase=False), list(group)) for day, group in days]


def _steps(call: CallEntry) -> list[Step]:
    """Place the attempts on the call's time line; a call without a measured length counts as 1 ms."""
    whole = max(call.duration_ms or 0, 1)
    log, readable = runtime().log, may(Verb.LOG_READ_PAYLOAD)
    reasons = {str(reason): reason for reason in map(_reason, call.candidates or []) if reason}
    steps = []
    for entry in call.attempts:
        offset = (entry.request_timestamp - call.created_at).total_seconds() * 1000
        start = min(max(offset / whole * 100, 0), 99)
        width = min(max((entry.duration_ms or 0) / whole * 100, 1), 100 - start)
        bodies = log.bodies(entry.log_id) if readable else None
        # An attempt keeps its error in English only; the candidate it belongs to keeps the values apart.
        error = say(reasons.get(entry.error_message or "", entry.error_message))
        steps.append(Step(entry, start, width, bodies, error))
    return steps


def _decision(candidate: Mapping[str, object]) -> str:
    """What became of a candidate, in one sentence."""
    return say(_reason(candidate) or Message(N_("Used")))


def _reason(candidate: Mapping[str, object]) -> Message | None:
    reason = candidate.get("message") or candidate.get("reason")
    if isinstance(reason, Mapping):
        return Message(str(reason["msgid"]), dict(reason.get("values") or {}))
    return Message(str(reason)) if reason else None


def _headers_text(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def _pretty(text: str) -> str:
    """A JSON body with a line for each member; every other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text
