"""The overview: how much is called, how well it goes and how long it takes, as a whole and by its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, abort, request, url_for
from sqlalchemy import select

from adapters.kit import N_
from webapp.accounts.roles import Verb
from webapp.extensions import db, runtime
from webapp.log.rollups_tally import ALL, CONTRACT, OPERATION, ROUTE, SERVICE, Tally
from webapp.models.route import Route
from webapp.models.service import Service
from webapp.web.access import requires
from webapp.web.i18n import say
from webapp.web.overview_figures import RANGE_LABELS, figures, money, share, wanted_range
from webapp.web.page import page

blueprint = Blueprint("overview", __name__, url_prefix="/overview")
MOST = 20
SCOPE_LABELS: Mapping[str, str] = {
    SERVICE: N_("By service"),
    CONTRACT: N_("By contract"),
    OPERATION: N_("By operation"),
    ROUTE: N_("By route"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the traffic: its name, its page if it has one, and its sums."""

    key: str
    name: str
    url: str
    tally: Tally


@blueprint.get("")
@requires(Verb.LOG_READ)
def index() -> Response:
    """All calls, and the services, contracts, operations and routes that take most of them."""
    range_ = wanted_range(request.args.get("range"))
    return page(
        "overview/index.html",
        "figures",
        figures=figures(range_, ALL),
        ranges=RANGE_LABELS,
        parts=[(scope, label, _lines(range_, scope)) for scope, label in SCOPE_LABELS.items()],
        most=MOST,
        log_filter={},
    )


@blueprint.get("/<scope>/<key>")
@requires(Verb.LOG_READ)
def subject(scope: str, key: str) -> Response:
    """The calls of one contract, operation or route."""
    if scope not in {CONTRACT, OPERATION, ROUTE} or key not in _known(scope):
        abort(404)
    range_ = wanted_range(request.args.get("range"))
    return page(
        "overview/subject.html",
        "figures",
        figures=figures(range_, scope, key),
        ranges=RANGE_LABELS,
        name=_namers()[scope](key),
        label=SCOPE_LABELS[scope],
        log_filter={"operation": key} if scope == OPERATION else {},
    )


@blueprint.app_context_processor
def _helpers() -> dict[str, object]:
    return {"share_of": share, "money": money}


def _lines(range_: str, scope: str) -> Sequence[Line]:
    """The busiest of a scope; a service leads to its own page."""
    found = runtime().metrics.busiest(range_, scope, MOST)
    name_of = _namers()[scope]
    return [Line(key, name_of(key), _url(scope, key, range_), tally) for key, tally in found]


def _url(scope: str, key: str, range_: str) -> str:
    if scope == SERVICE:
        return url_for("integrations.show", service_id=key, range=range_)
    return url_for(".subject", scope=scope, key=key, range=range_)


def _namers() -> Mapping[str, Callable[[str], str]]:
    rows = db.session.execute(select(Service.service_id, Service.service_name))
    services = {row.service_id: row.service_name for row in rows}
    contracts = runtime().catalog.contracts()
    return {
        SERVICE: lambda key: services.get(key, key),
        CONTRACT: lambda key: say(contracts[key].label) if key in contracts else key,
        OPERATION: str,
        ROUTE: str,
    }


def _known(scope: str) -> set[str]:
    """What exists, and what was called once."""
    known = set(runtime().metrics.ever(scope)[scope])
    if scope == ROUTE:
        known |= set(db.session.scalars(select(Route.name)))
    return known | (set(runtime().catalog.contracts()) if scope == CONTRACT else set())
