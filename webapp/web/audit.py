"""The audit: who did what to what and when, whether the record is whole, and taking it along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext
from sqlalchemy.exc import OperationalError

from webapp.accounts import alarm
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.models.audit import AuditEntry
from webapp.runtime import Runtime
from webapp.vault import audit, audit_search
from webapp.vault.audit_search import AuditFilter
from webapp.web.access import requires
from webapp.web.audit_words import AREAS, in_words
from webapp.web.page import page
from webapp.web.strict import take_only

blueprint = Blueprint("audit", __name__, url_prefix="/settings/audit")

COLUMNS = ("seq", "at", "actor", "action", "target", "detail", "prev", "mac")
# What a spreadsheet would take for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
MOST_ENTRIES = 2**62  # what a database can compare with
TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Search:
    """The search of the address: what was typed, what it means, and which parts make no sense."""

    values: dict[str, str]
    filter: AuditFilter
    errors: dict[str, str]

    @classmethod
    def of_request(cls) -> Search:
        """Read it off the query."""
        values = {
            name: request.args.get(name, "").strip() for name in ("actor", "action", "target", "from", "to")
        }
        errors: dict[str, str] = {}
        since, until = (_moment(values[name], name, errors) for name in ("from", "to"))
        wanted = AuditFilter(
            values["actor"] or None, values["action"] or None, values["target"] or None, since, until
        )
        return cls(values, wanted, errors)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered."""
        return any(self.values.values())


@blueprint.app_template_global("sign_in_alarm")
def sign_in_alarm() -> alarm.Alarm | None:
    """Whether sign-ins fail across many accounts; unknown while the database does not answer."""
    try:
        return alarm.ringing(db.session(), runtime())
    except OperationalError:
        db.session.rollback()
        return None


@blueprint.get("")
@requires(Verb.AUDIT_READ)
def index() -> Response:
    """List the entries, newest first."""
    return _list_page()


@blueprint.post("/verify")
@requires(Verb.AUDIT_READ)
def verify() -> Response:
    """Follow the whole chain now and say what came of it."""
    take_only(())
    return _list_page(report=audit.report(db.session(), runtime()))


@blueprint.get("/export")
@requires(Verb.AUDIT_READ)
def export() -> Response:
    """Stream what the search finds, as CSV or NDJSON; the chain's own values go along, so it can be checked."""
    kind = request.args.get("format", "csv")
    if kind not in TYPES:
        kind = "csv"
    wanted = Search.of_request().filter
    lines = _csv(runtime(), wanted) if kind == "csv" else _ndjson(runtime(), wanted)
    response = Response(lines, content_type=f"{TYPES[kind]}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="patchbay-audit.{kind}"'
    return response


def safe_cell(value: object) -> str:
    """Keep a spreadsheet from running what somebody else typed."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _list_page(report: audit.Report | None = None) -> Response:
    search, session = Search.of_request(), db.session()
    cursor = request.args.get("cursor", type=int)
    before = None if cursor is None else min(cursor, MOST_ENTRIES)
    found = audit_search.search(session, search.filter, before=before)
    return page(
        "audit/index.html",
        "results",
        search=search,
        found=found,
        report=report,
        first=before,
        actions=_choices(audit_search.actions(session)),
        words=in_words,
        detail=_facts,
    )


def _choices(actions: list[str]) -> list[tuple[str, str]]:
    areas = {action.partition(".")[0] for action in actions if "." in action}
    every = [(f"{area}.", gettext(AREAS[area])) for area in sorted(areas) if area in AREAS]
    return [("", gettext("Everything")), *every, *((action, in_words(action)) for action in actions)]


def _facts(entry: AuditEntry) -> list[tuple[str, str]]:
    """What an entry tells beyond who and what, in short."""
    return [(name, _short(value)) for name, value in entry.detail.items() if value not in (None, "", [], {})]


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(text: str, name: str, errors: dict[str, str]) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        errors[name] = gettext("Enter a time such as 2026-11-23T04:05:06Z.")
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}


def _csv(live: Runtime, wanted: AuditFilter) -> Iterator[str]:
    yield _csv_line(COLUMNS)
    with live.sessions() as session:
        for entry in audit_search.walk(session, wanted):
            row = _row(entry) | {"detail": json.dumps(entry.detail, ensure_ascii=False, sort_keys=True)}
            yield _csv_line(row.values())


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([safe_cell(value) for value in values])
    return line.getvalue()


def _ndjson(live: Runtime, wanted: AuditFilter) -> Iterator[str]:
    with live.sessions() as session:
        for entry in audit_search.walk(session, wanted):
            yield json.dumps(_row(entry), ensure_ascii=False) + "\n"
