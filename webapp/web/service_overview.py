"""What one screen says of one service: numbers, frequent errors, what depends on it and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from adapters.kit import FieldSpec
from webapp.engine.standing import Standing, standing
from webapp.extensions import db, runtime
from webapp.log.entries import ErrorCount, ServiceStats
from webapp.log.rollups_tally import SERVICE
from webapp.models.route import Route
from webapp.models.service import Service
from webapp.registry.history import revisions
from webapp.registry.switches import untested
from webapp.web.overview_figures import Figures, figures, wanted_range
from webapp.web.service_history import Change, changes

GOOD_VERDICTS = frozenset({"verified", "limited", "unverifiable"})
_SHOWN_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A route a service belongs to, and its position in it, counted from one."""

    name: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Dependents:
    """What stops or changes when a service is taken out of use."""

    places: Sequence[Place]
    day: ServiceStats

    @property
    def any(self) -> bool:
        """Whether taking it out changes anything today."""
        return bool(self.places or self.day.calls)


@dataclass(frozen=True, slots=True)
class Overview:
    """The context of the overview page."""

    figures: Figures
    errors: Sequence[ErrorCount]
    changes: Sequence[Change]
    dependents: Dependents
    step: str
    standing: Standing


def overview_of(service: Service, range_: str | None) -> Overview:
    """Gather it; every number comes from the call log or its sums."""
    found = revisions(db.session(), service.service_id, limit=_SHOWN_CHANGES + 1)
    return Overview(
        figures=figures(wanted_range(range_), SERVICE, service.service_id),
        errors=runtime().log.top_errors(service.service_id),
        changes=changes(found, specs_of(service))[:_SHOWN_CHANGES],
        dependents=dependents_of(service),
        step=next_step(service),
        standing=standing(runtime(), service),
    )


def specs_of(service: Service) -> Sequence[FieldSpec]:
    """The settings its adapter declares; none while the adapter is missing."""
    entry = runtime().catalog.get(service.service_type)
    return entry.adapter.Config.specs() if entry and entry.adapter else ()


def dependents_of(service: Service) -> Dependents:
    """Routes that name the service and its traffic of the last day."""
    routes = db.session.scalars(select(Route).order_by(Route.name))
    places = [
        Place(route.name, route.members.index(service.service_id) + 1, len(route.members))
        for route in routes
        if service.service_id in route.members
    ]
    return Dependents(places, runtime().log.stats(service.service_id, 24))


def next_step(service: Service) -> str:
    """What to do with it now: `test`, `repair`, `enable`, or nothing."""
    if service.tested_revision != service.revision:
        return "test" if untested(service) and not service.is_enabled else ""
    if service.tested_verdict not in GOOD_VERDICTS:
        return "repair"
    return "" if service.is_enabled else "enable"
