"""Metrics from the roll-ups, and the histogram of a search of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify

from adapters.kit import Message, N_
from webapp.api.access import scoped
from webapp.api.area import area
from webapp.api.bodies import query, query_parameters, validated_query
from webapp.api.metric_schemas import HistogramOut, HistogramQuery, MetricsOut, MetricsQuery, RangeOnly
from webapp.api.spec import documented
from webapp.extensions import db, runtime
from webapp.log.filters import LogFilter
from webapp.log.language_services import Services
from webapp.log.rollups_buckets import SHARES
from webapp.log.rollups_tally import ALL, SERVICE, Tally
from webapp.log.survey import TONES, Survey
from webapp.registry import services
from webapp.registry.errors import Flaw, Invalid
from webapp.registry.shape import moment

blueprint = area("metrics")
_SUBJECTS = {"service_id": SERVICE, "contract": "contract", "operation": "operation", "route": "route"}
_SUMS = ("total", "succeeded", "failed", "unknown", "retried", "retries", "fallbacks", "success_rate")
_MILLION = 1_000_000


@blueprint.get("/metrics")
@scoped("logs:read")
@documented("Read metrics", "Metrics", query=MetricsQuery, answers={200: MetricsOut}, problems=(422,))
def index() -> Response:
    """Counts, success rate, percentiles, errors, retries, fallbacks and cost over a range, and how it was before."""
    wanted = query(MetricsQuery)
    given = {name: key for name in _SUBJECTS if (key := getattr(wanted, name))}
    if len(given) > 1:
        message = Message.of(N_("Give one of these: %(names)s."), names=", ".join(_SUBJECTS))
        raise Invalid([Flaw.at(name, code="conflict", message=message) for name in given])
    name, key = next(iter(given.items()), ("", ""))
    return jsonify(_metrics(wanted.range, _SUBJECTS.get(name, ALL), key))


@blueprint.get("/services/<service_id>/metrics")
@scoped("logs:read")
@documented(
    "Read metrics of a service", "Metrics", query=RangeOnly, answers={200: MetricsOut}, problems=(404, 422)
)
def service(service_id: str) -> Response:
    """The tries made on a service over a range, and how it was before."""
    range_ = query(RangeOnly).range
    return jsonify(_metrics(range_, SERVICE, services.find(db.session(), service_id).service_id))


@blueprint.get("/logs/histogram")
@scoped("logs:read")
@documented(
    "Count a search over time", "Logs", query=HistogramQuery, answers={200: HistogramOut}, problems=(422,)
)
def histogram() -> Response:
    """The attempts that match, by how they ended; the newest 10,000, or all where the roll-ups can tell."""
    given = query_parameters((*LogFilter.names(), "buckets"))
    most = validated_query(HistogramQuery, {name: given[name] for name in given if name == "buckets"}).buckets
    found = runtime().log.survey(LogFilter.parse(given, Services.known(db.session())))
    bars, step_s = _bars(found, most)
    told = {"start": bars[0]["start"] if bars else None, "step_s": step_s, "bars": bars}
    return jsonify(**told, count=found.count, capped=found.capped, complete_from=moment(found.reach))


def _metrics(range_: str, scope: str, key: str) -> dict[str, Any]:
    found = runtime().metrics.look(range_, scope, key)
    steps = zip(found.starts, found.steps, strict=True)
    return {
        "range": range_,
        "scope": scope,
        "key": key,
        "start": moment(found.start),
        "end": moment(found.end),
        "step_s": int(found.step.total_seconds()),
        "total": _sums(found.now),
        "previous": _sums(found.before) if found.before is not None else None,
        "steps": [{"start": moment(start), **_sums(tally)} for start, tally in steps],
    }


def _sums(tally: Tally) -> dict[str, Any]:
    shares = {name: tally.percentile(share) for name, share in SHARES.items()}
    own = {name: getattr(tally, name) for name in _SUMS}
    return own | shares | {"cost": tally.cost / _MILLION, "errors": tally.codes}


def _bars(found: Survey, most: int) -> tuple[list[dict[str, Any]], int | None]:
    """The bars of a survey, as many of them put together as are needed to be no more than wanted."""
    if found.span is None:
        return [], None
    together = -(-found.span.count // most)
    bars = []
    for first in range(0, found.span.count, together):
        counts: list[Mapping[str, int]] = [
            found.bars.get(place, {}) for place in range(first, first + together)
        ]
        sums = {tone: sum(one.get(tone, 0) for one in counts) for tone in TONES}
        bars.append({"start": moment(found.span.at(first)), **sums})
    return bars, together * int(found.span.step.total_seconds())
