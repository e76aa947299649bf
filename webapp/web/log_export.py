"""Taking a search of the log along as a file."""

from __future__ import annotations

from flask import Blueprint, Response, request, stream_with_context

from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.log import export as exporting
from webapp.log.language_services import Services
from webapp.vault import audit
from webapp.web.access import actor, requires
from webapp.web.log_search import LogSearch

blueprint = Blueprint("log_export", __name__, url_prefix="/logs")


@blueprint.get("/export")
@requires(Verb.LOG_EXPORT)
def export() -> Response:
    """Stream what the search finds, as CSV or NDJSON; who took along what is in the audit."""
    kind = request.args.get("format", "csv")
    kind = kind if kind in exporting.TYPES else "csv"
    live = runtime()
    wanted = LogSearch.from_url(live.clock.now(), Services.known(db.session())).filter
    detail = {"format": kind, "search": exporting.told(wanted), "at_most": exporting.MOST}
    audit.append(db.session(), live, actor=actor(), action="logs.export", target="logs", detail=detail)
    db.session.commit()
    lines = exporting.lines(kind, live.log.search, wanted)
    response = Response(stream_with_context(lines), content_type=exporting.TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="patchbay-logs.{kind}"'
    return response
